import { hashKey } from './key-hash.ts';

/** Three words of the key's hash, and the offset. */
const ENTRY_BYTES = 20;
/** Beyond that, looking for a free place takes too long. */
const LOAD_MAX = 0.75;
const ENTRIES_MIN = 1024;

/**
 * The last offset of each key, in an amount of memory that is known before: an open hash table in two typed arrays,
 * which has hashes instead of keys.
 */
export class OffsetMap {
  #mask: number;
  #hashes: Uint32Array;
  /** One more than they are; 0: free. Nothing has to be written to memory that may never be used. */
  #offsets: Float64Array;
  #count = 0;
  readonly #seed: number;
  readonly #hash = new Uint32Array(3);

  /** Takes about `entries` keys, but not more than fit in `bytesMax`. The seed makes hashes nobody can foresee. */
  constructor(entries: number, bytesMax: number, seed: number) {
    let slots = ENTRIES_MIN;
    while (slots * LOAD_MAX < entries && slots * 2 * ENTRY_BYTES <= bytesMax) slots *= 2;
    this.#mask = slots - 1;
    this.#hashes = new Uint32Array(3 * slots);
    this.#offsets = new Float64Array(slots);
    this.#seed = seed;
  }

  get count(): number {
    return this.#count;
  }

  /** How many more keys it takes. */
  get room(): number {
    return Math.floor((this.#mask + 1) * LOAD_MAX) - this.#count;
  }

  /** Offsets come in order: the last one counts. There must be room. */
  put(bytes: Buffer, start: number, end: number, offset: number): void {
    const slot = this.#slotOf(bytes, start, end);
    if (this.#offsets[slot] === 0) {
      this.#hashes.set(this.#hash, 3 * slot);
      this.#count++;
    }
    this.#offsets[slot] = offset + 1;
  }

  /** -1 if the key is not there. */
  get(bytes: Buffer, start: number, end: number): number {
    return this.#offsets[this.#slotOf(bytes, start, end)] - 1;
  }

  /** Makes room for so many more keys, whatever it takes: a single batch must fit. */
  grow(entries: number): void {
    let slots = this.#mask + 1;
    while (slots * LOAD_MAX < this.#count + entries) slots *= 2;
    const hashes = this.#hashes;
    const offsets = this.#offsets;
    this.#mask = slots - 1;
    this.#hashes = new Uint32Array(3 * slots);
    this.#offsets = new Float64Array(slots);
    for (let old = 0; old < offsets.length; old++) {
      if (offsets[old] === 0) continue;
      this.#hash.set(hashes.subarray(3 * old, 3 * old + 3));
      const slot = this.#find();
      this.#hashes.set(this.#hash, 3 * slot);
      this.#offsets[slot] = offsets[old];
    }
  }

  #slotOf(bytes: Buffer, start: number, end: number): number {
    hashKey(bytes, start, end, this.#seed, this.#hash);
    return this.#find();
  }

  /** Where the present hash is, or the free place where it belongs. */
  #find(): number {
    const hash = this.#hash;
    const hashes = this.#hashes;
    const offsets = this.#offsets;
    const mask = this.#mask;
    let slot = hash[0] & mask;
    while (offsets[slot] > 0) {
      const at = 3 * slot;
      if (hashes[at] === hash[0] && hashes[at + 1] === hash[1] && hashes[at + 2] === hash[2]) break;
      slot = (slot + 1) & mask;
    }
    return slot;
  }
}
