const SHARDS = 64;

/**
 * A map that may become large: V8 makes the table of a `Map` anew in one piece when it is full, which takes tens of
 * milliseconds with hundreds of thousands of entries. This one is as many maps as make each of those pieces short.
 */
export class ShardedMap<K, V> {
  readonly #hash: (key: K) => number;
  readonly #shards = new Array<Map<K, V> | undefined>(SHARDS);
  #size = 0;

  /** `hash` spreads the keys: any whole number. */
  constructor(hash: (key: K) => number) {
    this.#hash = hash;
  }

  get size(): number {
    return this.#size;
  }

  get(key: K): V | undefined {
    return this.#shards[this.#hash(key) & (SHARDS - 1)]?.get(key);
  }

  set(key: K, value: V): void {
    const index = this.#hash(key) & (SHARDS - 1);
    const shard = (this.#shards[index] ??= new Map());
    const before = shard.size;
    shard.set(key, value);
    this.#size += shard.size - before;
  }

  /** True if it was there. */
  delete(key: K): boolean {
    const isThere = this.#shards[this.#hash(key) & (SHARDS - 1)]?.delete(key) === true;
    if (isThere) this.#size--;
    return isThere;
  }

  /** In no particular order. */
  *keys(): Generator<K, undefined> {
    for (const shard of this.#shards) if (shard !== undefined) yield* shard.keys();
  }

  clear(): void {
    this.#shards.fill(undefined);
    this.#size = 0;
  }
}

/** For keys that somebody else chooses: so that he does not know which fall together. */
const SEED = Math.floor(Math.random() * 0x7fffffff) | 1;

export function hashOfText(text: string): number {
  let hash = SEED;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash ^ (hash >>> 15);
}

export function hashOfNumber(number: number): number {
  return number;
}
