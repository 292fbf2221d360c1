/** What has a place in one `AgeOrder`. */
export interface Aged<E> {
  older: E | null;
  newer: E | null;
}

/**
 * Things in the order in which they came. Where the oldest are removed again and again, a `Map` or a `Set` looks at all the
 * places that these have left, each time anew.
 */
export class AgeOrder<E extends Aged<E>> implements Iterable<E> {
  oldest: E | null = null;
  #newest: E | null = null;

  /** It must be in no order yet. */
  add(entry: E): void {
    entry.older = this.#newest;
    if (this.#newest === null) this.oldest = entry;
    else this.#newest.newer = entry;
    this.#newest = entry;
  }

  /** It must be in this order. */
  remove(entry: E): void {
    const { older, newer } = entry;
    if (older === null) this.oldest = newer;
    else older.newer = newer;
    if (newer === null) this.#newest = older;
    else newer.older = older;
    // One that is garbage must not keep the others.
    entry.older = null;
    entry.newer = null;
  }

  clear(): void {
    this.oldest = null;
    this.#newest = null;
  }

  /** The oldest first. The one that was given last may be removed. */
  *[Symbol.iterator](): Generator<E, undefined> {
    for (let entry = this.oldest; entry !== null; ) {
      const { newer } = entry;
      yield entry;
      entry = newer;
    }
  }
}
