export interface Due {
  /** Milliseconds since the epoch. */
  readonly dueMs: number;
}

/** A binary heap of items by their deadlines, the earliest on top. */
export class DeadlineHeap<Item extends Due> {
  readonly #heap: Item[] = [];

  get count(): number {
    return this.#heap.length;
  }

  /** The earliest deadline, in milliseconds since the epoch; Infinity if there is no item. */
  get dueMs(): number {
    return this.#heap[0]?.dueMs ?? Number.POSITIVE_INFINITY;
  }

  add(item: Item): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(item);
    while (at > 0) {
      const parent = (at - 1) >>> 1;
      const above = heap[parent];
      if (above.dueMs <= item.dueMs) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = item;
  }

  /** Removes those that are due, the earliest first. */
  take(nowMs: number, each: (item: Item) => void): void {
    while (this.#heap.length > 0 && this.#heap[0].dueMs <= nowMs) each(this.#pop());
  }

  clear(): void {
    this.#heap.length = 0;
  }

  #pop(): Item {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop() as Item;
    const { length } = heap;
    if (length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= length) break;
      const right = heap[child + 1];
      if (right !== undefined && right.dueMs < heap[child].dueMs) child++;
      if (heap[child].dueMs >= last.dueMs) break;
      heap[at] = heap[child];
      at = child;
    }
    heap[at] = last;
    return top;
  }
}
