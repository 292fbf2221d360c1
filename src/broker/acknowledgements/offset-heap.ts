/** A binary heap of offsets, the smallest on top. */
export class OffsetHeap {
  readonly #items: number[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** The smallest; -1 if there is none. */
  get min(): number {
    return this.#items.length === 0 ? -1 : (this.#items[0] as number);
  }

  push(offset: number): void {
    const items = this.#items;
    let at = items.length;
    items.push(offset);
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      const above = items[parent] as number;
      if (above <= offset) break;
      items[at] = above;
      at = parent;
    }
    items[at] = offset;
  }

  pop(): number {
    const items = this.#items;
    const min = items[0] as number;
    const last = items.pop() as number;
    const { length } = items;
    if (length === 0) return min;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= length) break;
      if (child + 1 < length && (items[child + 1] as number) < (items[child] as number)) child++;
      if ((items[child] as number) >= last) break;
      items[at] = items[child] as number;
      at = child;
    }
    items[at] = last;
    return min;
  }

  clear(): void {
    this.#items.length = 0;
  }
}
