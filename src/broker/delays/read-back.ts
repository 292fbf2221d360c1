import type { Chunk, ChunkStore } from '../../log/memory/chunks.ts';
import { FRAME_HEADER_BYTES, frameBytes, writeFrameHeader } from '../../log/memory/chunks.ts';
import type { QueueLog } from '../../log/queues/queue-log.ts';
import type { Bucket } from './bucket.ts';

/** Read from a segment at a time. */
const READ_BYTES = 256 * 1024;

/** What all held messages of a broker may take together. */
export interface HeldBudget {
  bytes: number;
  readonly bytesMax: number;
}

/**
 * Messages of a bucket that were read back from its segments and stay in memory until they are settled. They are read
 * once, from front to back; what goes from memory to segments meanwhile is read behind them.
 */
export class ReadBack {
  readonly #log: QueueLog;
  readonly #bucket: Bucket;
  readonly #chunks: ChunkStore;
  readonly #budget: HeldBudget;
  readonly #onRead: (error: Error | null) => void;
  /** Positions by offset, from `#base` on; -1 where there is none. */
  #positions = new Float64Array(0);
  #base: number;
  /** Offsets below were read. */
  #readTo: number;
  #reading = false;
  #bytes = 0;
  #isClosed = false;

  /** `onRead` is called after each part that was read, or could not be. */
  constructor(bucket: Bucket, chunks: ChunkStore, budget: HeldBudget, onRead: (error: Error | null) => void) {
    this.#bucket = bucket;
    this.#log = bucket.log;
    this.#chunks = chunks;
    this.#budget = budget;
    this.#onRead = onRead;
    this.#base = bucket.log.head;
    this.#readTo = this.#base;
  }

  /** Whether there is something in segments that was not read. */
  get isBehind(): boolean {
    return (
      this.#readTo < this.#log.tailStart && this.#log.nextUnacknowledged(this.#readTo) < this.#log.tailStart
    );
  }

  /** Where the message is in memory; -1 if it has to be read, or is settled. */
  positionOf(offset: number): number {
    if (offset >= this.#log.tailStart) return this.#log.positionOf(offset);
    const at = offset - this.#base;
    return at >= 0 && at < this.#positions.length ? this.#positions[at] : -1;
  }

  /** Reads on, if it does not yet. */
  read(): void {
    if (this.#reading || this.#isClosed || !this.isBehind) return;
    this.#reading = true;
    this.#readPart().then(
      () => this.#ended(null),
      (error: Error) => this.#ended(error),
    );
  }

  /** The message is settled, or about to be. */
  release(offset: number): void {
    const at = offset - this.#base;
    if (at < 0 || at >= this.#positions.length) return;
    const position = this.#positions[at];
    if (position < 0) return;
    this.#positions[at] = -1;
    this.#chunks.release(position);
  }

  close(): void {
    this.#isClosed = true;
    for (const position of this.#positions) if (position >= 0) this.#chunks.release(position);
    this.#positions = new Float64Array(0);
    this.#budget.bytes -= this.#bytes;
    this.#bytes = 0;
  }

  #ended(error: Error | null): void {
    this.#reading = false;
    if (!this.#isClosed && !this.#log.removed) this.#onRead(error);
  }

  async #readPart(): Promise<void> {
    const log = this.#log;
    const { segments } = log;
    const from = log.nextUnacknowledged(this.#readTo);
    if (segments === null || from >= log.tailStart) return;
    const slice = await segments.read(from, READ_BYTES);
    if (this.#isClosed || log.removed) return;
    const end = slice.isEmpty ? log.tailStart : Math.min(slice.nextOffset, log.tailStart);
    let bytes = 0;
    slice.forEach((offset, _timestampMs, _buffer, _start, length) => {
      if (offset < end && !log.isAcknowledged(offset)) bytes += frameBytes(length);
    });
    if (bytes > 0) {
      this.#makeRoom(end);
      const chunk = this.#chunks.acquireExact('window', bytes);
      slice.forEach((offset, timestampMs, buffer, start, length) => {
        if (offset >= end || log.isAcknowledged(offset)) return;
        this.#positions[offset - this.#base] = putFrame(chunk, timestampMs, buffer, start, length);
        chunk.live++;
      });
      this.#chunks.unpin(chunk);
      this.#bytes += chunk.size;
      this.#budget.bytes += chunk.size;
    }
    for (let offset = from; offset < end; offset = log.nextUnacknowledged(offset + 1)) {
      if (this.positionOf(offset) < 0) this.#bucket.lose(offset);
    }
    this.#readTo = end;
  }

  #makeRoom(end: number): void {
    const needed = end - this.#base;
    if (needed <= this.#positions.length) return;
    const positions = new Float64Array(Math.max(needed, this.#positions.length * 2, 256)).fill(-1);
    positions.set(this.#positions);
    this.#positions = positions;
  }
}

function putFrame(chunk: Chunk, timestampMs: number, source: Buffer, start: number, length: number): number {
  const at = chunk.used;
  writeFrameHeader(chunk, at, timestampMs, length);
  source.copy(chunk.buffer, at + FRAME_HEADER_BYTES, start, start + length);
  chunk.used = at + frameBytes(length);
  return chunk.position(at);
}
