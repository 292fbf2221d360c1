export interface Due {
  /** Milliseconds since the epoch. */
  readonly dueMs: number;
}

/** Things that wait for their time: the one that is due first on top. */
export class DueItems<Item extends Due> {
  readonly #heap: Item[] = [];

  get count(): number {
    return this.#heap.length;
  }

  /** When the first is due; Infinity if there is none. */
  get dueMs(): number {
    return this.#heap[0]?.dueMs ?? Number.POSITIVE_INFINITY;
  }

  add(waiting: Item): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(waiting);
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      const above = heap[parent] as Item;
      if (above.dueMs <= waiting.dueMs) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = waiting;
  }

  /** Those that are due, out of here. */
  take(nowMs: number, each: (item: Item) => void): void {
    while (this.#heap.length > 0 && (this.#heap[0] as Item).dueMs <= nowMs) each(this.#pop());
  }

  clear(): void {
    this.#heap.length = 0;
  }

  #pop(): Item {
    const heap = this.#heap;
    const top = heap[0] as Item;
    const last = heap.pop() as Item;
    const { length } = heap;
    if (length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= length) break;
      const right = heap[child + 1];
      if (right !== undefined && right.dueMs < (heap[child] as Item).dueMs) child++;
      if ((heap[child] as Item).dueMs >= last.dueMs) break;
      heap[at] = heap[child] as Item;
      at = child;
    }
    heap[at] = last;
    return top;
  }
}
