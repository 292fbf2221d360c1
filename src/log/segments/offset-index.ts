/** Bytes between entries: a read starts at most so far, and one batch, before what it wants. */
const INTERVAL_BYTES = 64 * 1024;

/**
 * Which offset is where in a segment's file, every 64 KiB or every batch, whichever is longer. It lives in memory
 * alone: written while appending, and after a restart rebuilt from the batches, so that it cannot be wrong.
 */
export class OffsetIndex {
  readonly #offsets: number[] = [];
  readonly #positions: number[] = [];
  #nextPosition = 0;

  /** A batch whose offsets are all >= `offset` starts at `position`. In order. */
  add(offset: number, position: number): void {
    if (position < this.#nextPosition) return;
    this.#offsets.push(offset);
    this.#positions.push(position);
    this.#nextPosition = position + INTERVAL_BYTES;
  }

  /** The last known position at or before the first batch that reaches `offset`. */
  lookup(offset: number): number {
    let low = 0;
    let high = this.#offsets.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#offsets[middle] <= offset) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? 0 : this.#positions[low - 1];
  }
}
