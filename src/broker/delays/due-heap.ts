const FIRST_CAPACITY = 256;

/** Offsets by the time at which they come due, the earliest first; equal ones by offset. Two numbers for each. */
export class DueHeap {
  size = 0;
  #dues = new Float64Array(FIRST_CAPACITY);
  #offsets = new Float64Array(FIRST_CAPACITY);

  /** When the first one comes due; Infinity if there is none. */
  get minDueMs(): number {
    return this.size === 0 ? Number.POSITIVE_INFINITY : this.#dues[0];
  }

  /** The offset of the first one. There must be one. */
  get minOffset(): number {
    return this.#offsets[0];
  }

  push(dueMs: number, offset: number): void {
    if (this.size === this.#dues.length) this.#grow();
    let at = this.size++;
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      if (!this.#isAfter(parent, dueMs, offset)) break;
      this.#move(parent, at);
      at = parent;
    }
    this.#dues[at] = dueMs;
    this.#offsets[at] = offset;
  }

  pop(): void {
    const last = --this.size;
    const dueMs = this.#dues[last];
    const offset = this.#offsets[last];
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= last) break;
      const right = child + 1;
      if (right < last && this.#isAfter(child, this.#dues[right], this.#offsets[right])) {
        child = right;
      }
      if (this.#isAfter(child, dueMs, offset)) break;
      this.#move(child, at);
      at = child;
    }
    this.#dues[at] = dueMs;
    this.#offsets[at] = offset;
  }

  #isAfter(at: number, dueMs: number, offset: number): boolean {
    const own = this.#dues[at];
    return own > dueMs || (own === dueMs && this.#offsets[at] > offset);
  }

  #move(from: number, to: number): void {
    this.#dues[to] = this.#dues[from];
    this.#offsets[to] = this.#offsets[from];
  }

  #grow(): void {
    const dues = new Float64Array(this.#dues.length * 2);
    const offsets = new Float64Array(this.#dues.length * 2);
    dues.set(this.#dues);
    offsets.set(this.#offsets);
    this.#dues = dues;
    this.#offsets = offsets;
  }
}
