const FIRST_CAPACITY = 16;
/** There may be ten thousands of partitions with nothing in memory. */
const NO_OFFSETS = new Float64Array(0);
const NO_LENGTHS = new Uint32Array(0);

/**
 * Where the youngest batches of a stream are in memory, oldest first: three numbers for each, in typed arrays that are
 * used as rings.
 */
export class BatchRing {
  #first = 0;
  #count = 0;
  /** One less than the capacity. */
  #mask = -1;
  #baseOffsets = NO_OFFSETS;
  #positions = NO_OFFSETS;
  #lengths = NO_LENGTHS;

  get count(): number {
    return this.#count;
  }

  baseOffset(index: number): number {
    return this.#baseOffsets[(this.#first + index) & this.#mask];
  }

  /** Of the batch's first byte, as in `chunks.ts`. */
  position(index: number): number {
    return this.#positions[(this.#first + index) & this.#mask];
  }

  bytes(index: number): number {
    return this.#lengths[(this.#first + index) & this.#mask];
  }

  push(baseOffset: number, position: number, bytes: number): void {
    if (this.#count > this.#mask) this.#resize(Math.max(FIRST_CAPACITY, (this.#mask + 1) * 2));
    const slot = (this.#first + this.#count++) & this.#mask;
    this.#baseOffsets[slot] = baseOffset;
    this.#positions[slot] = position;
    this.#lengths[slot] = bytes;
  }

  /** Forgets the oldest one. */
  shift(): void {
    this.#first = (this.#first + 1) & this.#mask;
    this.#count--;
    if (this.#mask >= 1024 && this.#count * 8 <= this.#mask) this.#resize((this.#mask + 1) >>> 2);
  }

  /** The last batch whose base offset is `offset` or less; -1 if there is none. */
  indexOf(offset: number): number {
    let low = 0;
    let high = this.#count;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.baseOffset(middle) <= offset) low = middle + 1;
      else high = middle;
    }
    return low - 1;
  }

  #resize(capacity: number): void {
    const baseOffsets = new Float64Array(capacity);
    const positions = new Float64Array(capacity);
    const lengths = new Uint32Array(capacity);
    for (let i = 0; i < this.#count; i++) {
      baseOffsets[i] = this.baseOffset(i);
      positions[i] = this.position(i);
      lengths[i] = this.bytes(i);
    }
    this.#first = 0;
    this.#mask = capacity - 1;
    this.#baseOffsets = baseOffsets;
    this.#positions = positions;
    this.#lengths = lengths;
  }
}
