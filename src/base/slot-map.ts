/**
 * A map for objects that come and go, in the order in which they came. V8 leaves in each table of a `Map` that has become
 * too small, or too full of what was deleted, the way to the next: once one of them is in the old generation, all that was
 * in any of them lives until the next full collection, and with it all that can be reached from there. So the `Map` in here
 * has numbers alone, and the objects are in an array, from which they go when they are deleted.
 *
 *     slots:   key ──▶ 2        values:  [ a | (free) | b ]       free:  [ 1 ]
 */
export class SlotMap<K, V> implements Iterable<[K, V]> {
  readonly #slots = new Map<K, number>();
  readonly #values: (V | undefined)[] = [];
  readonly #free: number[] = [];

  get size(): number {
    return this.#slots.size;
  }

  has(key: K): boolean {
    return this.#slots.has(key);
  }

  get(key: K): V | undefined {
    const slot = this.#slots.get(key);
    return slot === undefined ? undefined : this.#values[slot];
  }

  set(key: K, value: V): void {
    let slot = this.#slots.get(key);
    if (slot === undefined) {
      slot = this.#free.pop() ?? this.#values.length;
      this.#slots.set(key, slot);
    }
    this.#values[slot] = value;
  }

  /** True if it was there. */
  delete(key: K): boolean {
    const slot = this.#slots.get(key);
    if (slot === undefined) return false;
    this.#slots.delete(key);
    this.#values[slot] = undefined;
    this.#free.push(slot);
    return true;
  }

  keys(): IterableIterator<K> {
    return this.#slots.keys();
  }

  /** As with a `Map`, what comes while one goes through it is found too, and what goes is not. */
  *values(): Generator<V, undefined> {
    for (const slot of this.#slots.values()) yield this.#values[slot] as V;
  }

  *[Symbol.iterator](): Generator<[K, V], undefined> {
    for (const [key, slot] of this.#slots) yield [key, this.#values[slot] as V];
  }
}
