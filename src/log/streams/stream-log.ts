import { freshMemory, type Memory } from '../../base/memory-pool.ts';
import {
  baseOffsetOf,
  batchBytes,
  lastBatchAt,
  lastOffsetDeltaOf,
  lastOffsetOf,
  maxTimestampMsOf,
} from '../../records/batch-view.ts';
import { placeBatch, stampBatch } from '../../records/batch-writer.ts';
import type { CorruptionError } from '../corruption.ts';
import type { ChunkStore } from '../memory/chunks.ts';
import type { SegmentedLog } from '../segments/segmented-log.ts';
import { BatchRing } from './batch-ring.ts';
import type { AbortedRange, RetentionSettings } from './retention-settings.ts';

const NOTHING = Buffer.alloc(0);

/** What the snapshot keeps of a stream log. */
export interface StreamLogState {
  readonly id: number;
  readonly start: number;
  readonly end: number;
  /** Batches below this offset are in segments, the others in the journal. */
  readonly tailStart: number;
  /** Undefined if it was never compacted. */
  readonly cleanedTo?: number;
}

/** The partition of a stream, as its log knows it. */
export interface StreamLogEvents {
  /** The high watermark has moved. */
  onAdvanced(): void;
  /** A batch that the last snapshot does not cover, at recovery, in order. */
  onReplayed(buffer: Buffer, at: number, bytes: number): void;
  onCorruption(error: CorruptionError): void;
  /** As they are at the moment. */
  retentionSettings(): RetentionSettings;
  /** Retention lets everything before this offset go: it is to be the start. */
  onExpired(offset: number): void;
  /** The last stable offset: every transaction with records below it has ended. */
  stableOffset(): number;
  /** The aborted transactions between two offsets. */
  abortedIn(from: number, below: number): readonly AbortedRange[];
}

/** A part of a chunk: whole batches, back to back. Good until something else happens. */
export interface Piece {
  readonly buffer: Buffer;
  readonly start: number;
  readonly end: number;
}

/** What the log needs of the store that it is in. */
export interface StreamLogStore {
  readonly chunks: ChunkStore;
  /**
   * An entry for a batch of `bytes` in the journal; the position of the batch. `isReserved`: room was reserved before
   * (`Journal.reserveLater`).
   */
  reserveBatch(log: StreamLog, bytes: number, isReserved: boolean): number;
  /** Appends what the record accumulator has. */
  flushAccumulator(): void;
  /** A batch was appended to the open block of the journal. */
  streamHasGrown(log: StreamLog): void;
  /** It has batches in memory, and had none before. */
  streamHasTail(log: StreamLog): void;
  /** `start` has moved. */
  streamHasMoved(log: StreamLog): void;
}

/**
 * One partition of a stream: record batches by offset, as their producers made them but for base offset and leader
 * epoch.
 *
 *     0 ..... start ........... tailStart ......... highWatermark ....... end
 *     | gone  | in segments     | in memory, and in the journal            |
 *                                                    | not yet durable     |
 *
 * Nothing in it is acknowledged: old batches leave by retention, when `start` moves on.
 */
export class StreamLog {
  readonly id: number;
  readonly segments: SegmentedLog;
  /** The first offset that may be read. */
  start = 0;
  tailStart = 0;
  /** Of the next batch. */
  end = 0;
  /** Everything below is durable, and may be read. */
  highWatermark = 0;
  /** Written to segments, and not yet on its way to the disk. */
  unsyncedBytes = 0;
  /** Bytes of the batches in memory. */
  tailBytes = 0;
  removed = false;
  /** A segment of it cannot be read. */
  isCorrupt = false;
  /** The record accumulator has messages for it. */
  isAccumulating = false;
  /** Below this offset it was compacted. */
  cleanedTo = 0;
  /** Since when there has been something in memory. */
  tailSinceMs = 0;
  /** Where it began and ended when `LogCleaner` looked at it last. */
  lookedAtStart = -1;
  lookedAtEnd = -1;
  lookedAtSettings: RetentionSettings | null = null;
  /** When it does again, if nothing happens before. */
  nextLookMs = 0;
  readonly tail = new BatchRing();
  readonly events: StreamLogEvents;
  readonly #store: StreamLogStore;

  constructor(id: number, segments: SegmentedLog, store: StreamLogStore, events: StreamLogEvents) {
    this.id = id;
    this.segments = segments;
    this.events = events;
    this.#store = store;
  }

  /**
   * Copies the batch in `bytes[start, end)` and gives it the next offsets; returns the first of them. The batch has
   * been verified by the caller, and so has its length. `isReserved`: room was reserved for it (`Journal.reserveLater`).
   */
  append(bytes: Buffer, start: number, end: number, leaderEpoch: number, isReserved = false): number {
    if (this.isAccumulating) this.#store.flushAccumulator();
    const length = end - start;
    const position = this.#store.reserveBatch(this, length, isReserved);
    const chunk = this.#store.chunks.of(position);
    const at = position >>> 0;
    bytes.copy(chunk.buffer, at, start, end);
    const baseOffset = this.end;
    placeBatch(chunk.buffer, at, baseOffset, leaderEpoch);
    chunk.live++;
    this.#push(baseOffset, position, length);
    this.end = baseOffset + lastOffsetDeltaOf(chunk.buffer, at) + 1;
    this.#store.streamHasGrown(this);
    return baseOffset;
  }

  /** Gives the batch that was just appended the time of that. */
  stampLast(timestampMs: number): void {
    const position = this.tail.position(this.tail.count - 1);
    stampBatch(this.#store.chunks.of(position).buffer, position >>> 0, timestampMs);
  }

  /** At recovery: the batch at `position`, which the caller has not counted in its chunk yet. */
  restore(position: number): void {
    const chunk = this.#store.chunks.of(position);
    const at = position >>> 0;
    const baseOffset = baseOffsetOf(chunk.buffer, at);
    if (baseOffset < this.end) return;
    chunk.live++;
    this.#push(baseOffset, position, batchBytes(chunk.buffer, at));
    this.end = lastOffsetOf(chunk.buffer, at) + 1;
  }

  /** The batches from the one that has `from` on, with offsets below `below`; null if they are not in memory. */
  readTail(from: number, below: number, bytesMax: number): Piece[] | null {
    if (from < this.tailStart) return null;
    const pieces: Piece[] = [];
    if (from >= this.end) return pieces;
    const { tail } = this;
    let bytes = 0;
    for (let index = Math.max(0, tail.indexOf(from)); index < tail.count; index++) {
      const next = index + 1 < tail.count ? tail.baseOffset(index + 1) : this.end;
      if (next > below) break;
      const length = tail.bytes(index);
      if (pieces.length > 0 && bytes + length > bytesMax) break;
      const position = tail.position(index);
      const start = position >>> 0;
      pieces.push({ buffer: this.#store.chunks.of(position).buffer, start, end: start + length });
      bytes += length;
    }
    return pieces;
  }

  /** How many bytes of batches in memory have offsets at or after `from`, at most `bytesMax` of them. */
  bytesInTail(from: number, below: number, bytesMax: number): number {
    const { tail } = this;
    let bytes = 0;
    const first = Math.max(0, tail.indexOf(from));
    for (let index = first; index < tail.count && bytes < bytesMax; index++) {
      const next = index + 1 < tail.count ? tail.baseOffset(index + 1) : this.end;
      if (next > below) break;
      if (next > from) bytes += tail.bytes(index);
    }
    return bytes;
  }

  /**
   * As `readTail`, wherever the batches are. What is in segments is read up to their end, and the rest by the next
   * call. `nextOffset` is where that goes on; no bytes only where there is nothing between `from` and `below`.
   */
  async read(
    from: number,
    below: number,
    bytesMax: number,
    memory: Memory = freshMemory,
  ): Promise<{ readonly bytes: Buffer; readonly nextOffset: number }> {
    for (let at = from; ; ) {
      const pieces = this.readTail(at, below, bytesMax);
      if (pieces !== null) return this.#joined(pieces, at, memory);
      const slice = await this.segments.read(at, bytesMax, memory);
      if (!slice.isEmpty) {
        const cut = cutAt(slice.buffer, below);
        if (cut === slice.buffer.length) return { bytes: slice.buffer, nextOffset: slice.nextOffset };
        if (cut > 0) return { bytes: slice.buffer.subarray(0, cut), nextOffset: endOf(slice.buffer, cut) };
        return { bytes: slice.buffer.subarray(0, 0), nextOffset: at };
      }
      // Nothing is left there from here on: what follows is in memory.
      const next = Math.max(slice.nextOffset, at);
      if (next === at && at < this.tailStart) at = this.tailStart;
      else at = next;
      if (at >= below) return { bytes: slice.buffer, nextOffset: at };
    }
  }

  /** The first batch, from the one that has `fromOffset` on, that has a record of this time or a later one; null if there is none. */
  async batchAtTime(timestampMs: number, fromOffset = this.start): Promise<Buffer | null> {
    for (let from = fromOffset; ; ) {
      const { tailStart } = this;
      if (from < tailStart) {
        const found = await this.segments.batchAtTime(timestampMs, from);
        if (found !== null) return found;
      }
      // What was in memory before may have moved on meanwhile.
      if (this.tailStart === tailStart)
        return this.#tailBatch(from, (maxTimestampMs) => maxTimestampMs >= timestampMs);
      from = Math.max(from, tailStart);
    }
  }

  /** A copy of the first batch in memory whose largest timestamp is wanted. */
  #tailBatch(from: number, isWanted: (maxTimestampMs: number) => boolean): Buffer | null {
    const { tail } = this;
    if (from >= this.end) return null;
    for (let index = Math.max(0, tail.indexOf(from)); index < tail.count; index++) {
      if (!isWanted(this.maxTimestampMsAt(index))) continue;
      const position = tail.position(index);
      const { buffer } = this.#store.chunks.of(position);
      const at = position >>> 0;
      // After a crash offsets may be left out.
      if (lastOffsetOf(buffer, at) < from) continue;
      return Buffer.from(buffer.subarray(at, at + tail.bytes(index)));
    }
    return null;
  }

  /** The first batch of those with the largest timestamp of all; null if there is none at all. */
  batchOfMaxTime(): Promise<Buffer | null> {
    let max = -1;
    for (const { maxTimestampMs = -1 } of this.segments.segments) max = Math.max(max, maxTimestampMs);
    this.#tailBatch(this.start, (maxTimestampMs) => {
      max = Math.max(max, maxTimestampMs);
      return false;
    });
    return this.batchAtTime(max);
  }

  /** Of the batch in memory with this number, from the oldest one on. */
  maxTimestampMsAt(index: number): number {
    const position = this.tail.position(index);
    return maxTimestampMsOf(this.#store.chunks.of(position).buffer, position >>> 0);
  }

  /** A segment cannot be read: nothing of the stream is served any more until an operator has decided. */
  corrupted(error: CorruptionError): void {
    if (this.isCorrupt || this.removed) return;
    this.isCorrupt = true;
    this.events.onCorruption(error);
  }

  /** Offsets below this one cannot be read any more; that is in the block of the journal that is open. */
  moveStart(offset: number): void {
    if (offset <= this.start) return;
    this.start = offset;
    this.#store.streamHasMoved(this);
  }

  /** Batches whose offsets are all below `offset` are in segments now. */
  dropTail(offset: number): void {
    const { tail } = this;
    while (tail.count > 0) {
      const next = tail.count > 1 ? tail.baseOffset(1) : this.end;
      if (next > offset) break;
      this.tailBytes -= tail.bytes(0);
      this.#store.chunks.release(tail.position(0));
      tail.shift();
      this.tailStart = next;
    }
  }

  dispose(): void {
    this.removed = true;
    this.dropTail(this.end);
  }

  state(): StreamLogState {
    const { id, start, end, tailStart, cleanedTo } = this;
    return { id, start, end, tailStart, ...(cleanedTo > 0 && { cleanedTo }) };
  }

  /** The opposite of `state`, on a new log. */
  load(state: StreamLogState): void {
    this.start = state.start;
    this.tailStart = state.tailStart;
    this.end = state.tailStart;
    this.cleanedTo = state.cleanedTo ?? 0;
  }

  /** At recovery. */
  replayStart(offset: number): void {
    if (offset > this.start) this.start = offset;
  }

  /** The journal was read. Offsets that were given out are not given again. */
  recovered(state: StreamLogState | undefined): void {
    if (state !== undefined && state.end > this.end) this.end = state.end;
    if (this.tail.count === 0) this.tailStart = this.end;
    this.highWatermark = this.end;
  }

  #push(baseOffset: number, position: number, bytes: number): void {
    if (this.tail.count === 0) {
      this.tailStart = baseOffset;
      this.#store.streamHasTail(this);
    }
    this.tail.push(baseOffset, position, bytes);
    this.tailBytes += bytes;
  }

  #joined(
    pieces: readonly Piece[],
    from: number,
    memory: Memory,
  ): { readonly bytes: Buffer; readonly nextOffset: number } {
    const bytes = joinPieces(pieces, memory);
    return { bytes, nextOffset: bytes.length === 0 ? from : endOf(bytes, bytes.length) };
  }
}

export function bytesOf(pieces: readonly Piece[]): number {
  let bytes = 0;
  for (const { start, end } of pieces) bytes += end - start;
  return bytes;
}

/** A copy, as the memory of the pieces may be used again. */
export function joinPieces(pieces: readonly Piece[], memory: Memory): Buffer {
  const length = bytesOf(pieces);
  if (length === 0) return NOTHING;
  const bytes = memory.take(length);
  let at = 0;
  for (const { buffer, start, end } of pieces) at += buffer.copy(bytes, at, start, end);
  return bytes;
}

/** Where the first batch begins that has offsets at or above `below`. */
function cutAt(batches: Buffer, below: number): number {
  let at = 0;
  while (at < batches.length && lastOffsetOf(batches, at) < below) at += batchBytes(batches, at);
  return at;
}

/** The offset behind the last of the batches in `[0, end)`. */
function endOf(batches: Buffer, end: number): number {
  return lastOffsetOf(batches, lastBatchAt(batches, end)) + 1;
}
