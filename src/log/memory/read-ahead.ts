import { CorruptionError } from '../corruption.ts';
import type { QueueLog, ReadBuffer } from '../queues/queue-log.ts';
import type { Chunk, ChunkStore } from './chunks.ts';
import { FRAME_HEADER_BYTES, frameBytes, writeFrameHeader } from './chunks.ts';

/** A run of offsets that were read from segments: positions by offset, -1 where there is nothing to deliver. */
interface Window {
  readonly start: number;
  readonly end: number;
  readonly positions: Float64Array;
  /** Positions that are still there. */
  count: number;
}

/** Limits what all read-ahead together may hold in memory. */
export interface ReadAheadBudget {
  /** Resolves when it is this log's turn to read so many bytes. */
  begin(log: ReadAhead, bytes: number): Promise<void>;
  /** What was read is in memory, or was not wanted any more. */
  end(): void;
}

const FIRST_READ_BYTES = 64 * 1024;

/**
 * Brings messages back from segments for delivery: a few windows of offsets, read in order and doubled in size
 * while a consumer keeps up. A message leaves its window when it is delivered: should it be requeued, it is read
 * again.
 */
export class ReadAhead implements ReadBuffer {
  readonly #log: QueueLog;
  readonly #store: ChunkStore;
  readonly #budget: ReadAheadBudget;
  readonly #onLoaded: () => void;
  readonly #onMissing: (offset: number) => void;
  readonly #onError: (error: Error) => void;
  #windows: Window[] = [];
  #loading = false;
  #readBytes = FIRST_READ_BYTES;
  #expected = -1;

  constructor(
    log: QueueLog,
    store: ChunkStore,
    budget: ReadAheadBudget,
    events: { onLoaded: () => void; onMissing: (offset: number) => void; onError: (error: Error) => void },
  ) {
    this.#log = log;
    this.#store = store;
    this.#budget = budget;
    this.#onLoaded = events.onLoaded;
    this.#onMissing = events.onMissing;
    this.#onError = events.onError;
  }

  positionOf(offset: number): number {
    const windows = this.#windows;
    for (let i = 0; i < windows.length; i++) {
      const window = windows[i];
      if (offset >= window.start && offset < window.end) return window.positions[offset - window.start];
    }
    return -1;
  }

  /** The message was delivered or acknowledged: its memory is not needed any more. */
  release(offset: number): void {
    const windows = this.#windows;
    for (let i = 0; i < windows.length; i++) {
      const window = windows[i];
      if (offset < window.start || offset >= window.end) continue;
      const position = window.positions[offset - window.start];
      if (position < 0) return;
      window.positions[offset - window.start] = -1;
      this.#store.release(position);
      if (--window.count === 0) windows.splice(i, 1);
      this.#readOn(offset);
      return;
    }
  }

  /** Starts to load from `offset` on; `onLoaded` is called when it is there. */
  load(offset: number): void {
    this.#load(offset, this.#onError);
  }

  #load(offset: number, onError: (error: Error) => void): void {
    if (this.#loading) return;
    this.#loading = true;
    this.#read(offset).catch((error: Error) => {
      this.#loading = false;
      if (!this.#log.removed) onError(error);
    });
  }

  /** Its log is gone. */
  get isClosed(): boolean {
    return this.#log.removed;
  }

  get isEmpty(): boolean {
    return this.#windows.length === 0;
  }

  /** Forgets all windows. */
  drop(): void {
    for (const window of this.#windows) {
      for (const position of window.positions) if (position >= 0) this.#store.release(position);
    }
    this.#windows = [];
    this.#readBytes = FIRST_READ_BYTES;
    this.#expected = -1;
  }

  /** While one window is being delivered, the next is fetched. */
  #readOn(offset: number): void {
    if (this.#loading || this.#windows.length > 1) return;
    const last = this.#windows[this.#windows.length - 1];
    const next = last === undefined ? offset + 1 : last.end;
    if (next !== this.#expected || next >= this.#log.tailStart) return;
    if (last === undefined || offset - last.start >= (last.end - last.start) >>> 1) {
      this.#load(next, (error) => {
        // Corruption is reported when a message in it is wanted, which may be now: the messages before it go out first.
        if (error instanceof CorruptionError) this.#onLoaded();
        else this.#onError(error);
      });
    }
  }

  async #read(from: number): Promise<void> {
    const sequential = from === this.#expected;
    this.#readBytes = sequential
      ? Math.min(this.#readBytes * 2, this.#store.chunkBytes >>> 1)
      : FIRST_READ_BYTES;
    await this.#budget.begin(this, this.#readBytes);
    try {
      if (!this.isClosed) await this.#readNow(from);
    } finally {
      this.#budget.end();
    }
  }

  async #readNow(from: number): Promise<void> {
    const log = this.#log;
    const segments = log.segments;
    if (segments === null)
      throw new Error(`log ${log.id} has no segments, but offset ${from} is not in memory`);
    const read = await segments.read(from, this.#readBytes);
    this.#loading = false;
    if (log.removed) return;
    let bytes = 0;
    read.forEach((_offset, _timestampMs, _buffer, _start, length) => {
      bytes += frameBytes(length);
    });
    if (read.isEmpty) {
      // Nothing is left from here on in the segments: all of it up to the tail is lost.
      this.#reportMissing(from, log.tailStart);
      this.#onLoaded();
      return;
    }
    const end = Math.min(read.nextOffset, log.tailStart);
    const window = { start: from, end, positions: new Float64Array(end - from).fill(-1), count: 0 };
    const chunk = this.#store.acquireExact('window', bytes);
    read.forEach((offset, timestampMs, buffer, start, length) => {
      if (offset >= end || log.isAcknowledged(offset)) return;
      window.positions[offset - from] = putFrame(chunk, timestampMs, buffer, start, length);
      window.count++;
    });
    chunk.live += window.count;
    this.#store.unpin(chunk);
    this.#expected = window.end;
    if (window.count > 0) this.#windows.push(window);
    for (
      let offset = log.nextUnacknowledged(from);
      offset < end;
      offset = log.nextUnacknowledged(offset + 1)
    ) {
      if (window.positions[offset - from] < 0) this.#onMissing(offset);
    }
    if (this.#windows.length > 3) this.#forgetOldest();
    this.#onLoaded();
  }

  #reportMissing(from: number, to: number): void {
    const log = this.#log;
    for (
      let offset = log.nextUnacknowledged(from);
      offset < to;
      offset = log.nextUnacknowledged(offset + 1)
    ) {
      this.#onMissing(offset);
    }
  }

  #forgetOldest(): void {
    const window = this.#windows.shift() as Window;
    for (const position of window.positions) if (position >= 0) this.#store.release(position);
  }
}

function putFrame(chunk: Chunk, timestampMs: number, source: Buffer, start: number, length: number): number {
  const at = chunk.used;
  writeFrameHeader(chunk, at, timestampMs, length);
  source.copy(chunk.buffer, at + FRAME_HEADER_BYTES, start, start + length);
  chunk.used = at + frameBytes(length);
  return chunk.position(at);
}
