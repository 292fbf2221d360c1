/** A binary heap of offsets, the smallest on top. */
export class OffsetHeap {
  /** The smallest; -1 if there is none. A field, as each delivery looks at it. */
  min = -1;
  readonly #items: number[] = [];

  get size(): number {
    return this.#items.length;
  }

  push(offset: number): void {
    const items = this.#items;
    let at = items.length;
    items.push(offset);
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      const above = items[parent];
      if (above <= offset) break;
      items[at] = above;
      at = parent;
    }
    items[at] = offset;
    this.min = items[0];
  }

  /** The smallest, removed. There must be one. */
  pop(): number {
    const items = this.#items;
    const min = items[0];
    const last = items.pop() as number;
    const { length } = items;
    if (length === 0) {
      this.min = -1;
      return min;
    }
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= length) break;
      if (child + 1 < length && items[child + 1] < items[child]) child++;
      if (items[child] >= last) break;
      items[at] = items[child];
      at = child;
    }
    items[at] = last;
    this.min = items[0];
    return min;
  }

  clear(): void {
    this.#items.length = 0;
    this.min = -1;
  }
}
