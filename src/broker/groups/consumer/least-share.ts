/** How much one member has. */
export interface Counted {
  count: number;
}

/** The one with the least, of those with as little the first: a heap, as there may be a thousand members and ten thousand partitions. */
export class LeastShare<S extends Counted> {
  readonly #heap: S[];
  /** The place in the order of the members, and in the heap. */
  readonly #orders = new Map<S, number>();
  readonly #places = new Map<S, number>();

  /** There must be one. */
  constructor(shares: readonly S[]) {
    this.#heap = [...shares].sort((a, b) => a.count - b.count);
    for (const [order, share] of shares.entries()) this.#orders.set(share, order);
    for (const [place, share] of this.#heap.entries()) this.#places.set(share, place);
  }

  get share(): S {
    return this.#heap[0];
  }

  /** The share's count is another one. */
  changed(share: S): void {
    let place = this.#places.get(share) as number;
    while (place > 0 && this.#isLess(place, (place - 1) >> 1)) {
      this.#swap(place, (place - 1) >> 1);
      place = (place - 1) >> 1;
    }
    for (;;) {
      let least = place;
      for (const child of [2 * place + 1, 2 * place + 2]) {
        if (child < this.#heap.length && this.#isLess(child, least)) least = child;
      }
      if (least === place) return;
      this.#swap(place, least);
      place = least;
    }
  }

  #isLess(left: number, right: number): boolean {
    const a = this.#heap[left];
    const b = this.#heap[right];
    if (a.count !== b.count) return a.count < b.count;
    return (this.#orders.get(a) as number) < (this.#orders.get(b) as number);
  }

  #swap(left: number, right: number): void {
    const heap = this.#heap;
    [heap[left], heap[right]] = [heap[right], heap[left]];
    this.#places.set(heap[left], left);
    this.#places.set(heap[right], right);
  }
}
