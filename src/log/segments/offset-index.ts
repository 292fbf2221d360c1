/** Bytes between entries: a read starts at most so far, and one batch, before what it wants. */
const INTERVAL_BYTES = 64 * 1024;
/** A segment with more entries drops every second one: the index of a large log stays small. */
const ENTRIES_MAX = 2048;

/** Where a batch begins in a segment's file, and an offset that is not above its own; in a stream it is that. */
export interface Place {
  readonly position: number;
  readonly offset: number;
}

/**
 * Which offset, and which time, is where in a segment's file: every 64 KiB or every batch, whichever is longer. It
 * lives in memory alone: written while appending, and after a restart rebuilt from the batches, so that it cannot be
 * wrong.
 */
export class OffsetIndex {
  #offsets: number[] = [];
  #positions: number[] = [];
  /** The latest timestamp from the beginning of the segment up to the next entry. */
  #timestamps: number[] = [];
  #nextPosition = 0;
  #intervalBytes = INTERVAL_BYTES;
  #maxTimestampMs = Number.NEGATIVE_INFINITY;

  /** A batch whose offsets are all >= `offset`, and whose timestamps are at most `maxTimestampMs`, starts at `position`. In order. */
  add(offset: number, position: number, maxTimestampMs: number): void {
    if (maxTimestampMs > this.#maxTimestampMs) this.#maxTimestampMs = maxTimestampMs;
    if (position < this.#nextPosition) {
      this.#timestamps[this.#timestamps.length - 1] = this.#maxTimestampMs;
      return;
    }
    if (this.#offsets.length === ENTRIES_MAX) this.#thin();
    this.#offsets.push(offset);
    this.#positions.push(position);
    this.#timestamps.push(this.#maxTimestampMs);
    this.#nextPosition = position + this.#intervalBytes;
  }

  /** Of all batches; -Infinity if there are none. */
  get maxTimestampMs(): number {
    return this.#maxTimestampMs;
  }

  /** The last known place at or before the first batch that reaches `offset`; null if that is the beginning. */
  lookup(offset: number): Place | null {
    let low = 0;
    let high = this.#offsets.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#offsets[middle] <= offset) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? null : this.#place(low - 1);
  }

  /** The last known place at or before the first batch with a timestamp of `timestampMs` or later; null if there is none. */
  lookupTime(timestampMs: number): Place | null {
    if (timestampMs > this.#maxTimestampMs) return null;
    let low = 0;
    let high = this.#timestamps.length - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#timestamps[middle] < timestampMs) low = middle + 1;
      else high = middle;
    }
    return this.#place(low);
  }

  #place(index: number): Place {
    return { position: this.#positions[index], offset: this.#offsets[index] };
  }

  /** Every second entry goes; the one before it stands for its batches too. */
  #thin(): void {
    const isKept = (_: number, index: number): boolean => index % 2 === 0;
    // The latest timestamp of a pair is that of its second.
    this.#timestamps = this.#timestamps.filter((_, index) => index % 2 === 1);
    this.#offsets = this.#offsets.filter(isKept);
    this.#positions = this.#positions.filter(isKept);
    this.#intervalBytes *= 2;
  }
}
