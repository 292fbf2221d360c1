/** The slots of a ring, and its columns, from its first entry on: most channels never have one. */
const CAPACITY_MIN = 64;
const NO_KEYS = new Float64Array(0);
/** A ring that is empty and larger than this is let go. */
const IDLE_CAPACITY_MAX = 4096;

/** The fields of each entry beside its key, in arrays by slot: they belong to whoever uses the ring. */
export interface Columns {
  /** The entry of `slots[i]` moves to slot i; there are `capacity` slots from now on. */
  rearrange(slots: Uint32Array, capacity: number): void;
}

/**
 * What was delivered and is not settled, by a key that only grows: the deliveries of a channel by their tags, the records
 * of a share partition by their offsets. Entries are added with ever larger keys and removed in any order.
 *
 *     first                                   end        position; slot = position & mask
 *       |                                      |
 *       +-----+-----+-----+-----+-----+-----+
 *       |  7  | ~8  | ~9  | 4711| 4712| 4713|            keys; ~k: removed, and -1 - k
 *       +-----+-----+-----+-----+-----+-----+
 *
 * When the ring is full, removed entries are squeezed out before it grows: its size follows the number of entries, not
 * how far the oldest is from the newest. Keys added since the last squeeze are mostly dense, so that finding one is a
 * subtraction; else it is a binary search.
 */
export class InFlightRing {
  /** Entries that were not removed. */
  count = 0;
  /** The position of the oldest entry; `end` if there is none. */
  first = 0;
  end = 0;
  mask = -1;
  #keys = NO_KEYS;
  readonly #columns: Columns;

  /** The columns have no slots yet. */
  constructor(columns: Columns) {
    this.#columns = columns;
  }

  /** The slot of the new entry, the largest key of all. Positions and slots of others change. */
  add(key: number): number {
    if (this.end - this.first > this.mask) this.#squeeze();
    const slot = this.end & this.mask;
    this.#keys[slot] = key;
    this.end++;
    this.count++;
    return slot;
  }

  /** The entry in this slot is settled. Nothing moves until `trim`. */
  remove(slot: number): void {
    this.#keys[slot] = -1 - this.#keys[slot];
    this.count--;
  }

  /** After removals: `first` is the oldest entry again. */
  trim(): void {
    if (this.count === 0) {
      this.first = this.end;
      if (this.mask >= IDLE_CAPACITY_MAX) this.#resize(new Uint32Array(0), CAPACITY_MIN);
      return;
    }
    while (this.#keys[this.first & this.mask] < 0) this.first++;
  }

  /** False for an entry that was removed. */
  isInFlightAt(position: number): boolean {
    return this.#keys[position & this.mask] >= 0;
  }

  /** Of an entry that was not removed. */
  keyAt(position: number): number {
    return this.#keys[position & this.mask];
  }

  /** The smallest key; there must be one. */
  get firstKey(): number {
    return this.#keys[this.first & this.mask];
  }

  /** The slot of the entry with this key; -1 if there is none, or it was removed. */
  find(key: number): number {
    if (this.count === 0) return -1;
    const slot = this.positionOf(key) & this.mask;
    return this.#keys[slot] === key ? slot : -1;
  }

  /** The position of the first entry, removed or not, with this key or a larger one; `end` if there is none. */
  positionOf(key: number): number {
    const last = this.end - 1;
    if (last < this.first || key > this.anyKeyAt(last)) return this.end;
    if (key <= this.anyKeyAt(this.first)) return this.first;
    // Keys are distinct, so the entry is not before this position; where they are dense, it is at it.
    let low = Math.max(this.first, last - (this.anyKeyAt(last) - key));
    if (this.anyKeyAt(low) === key) return low;
    let high = last;
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      if (this.anyKeyAt(middle) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Of an entry between `first` and `end`, removed or not. */
  anyKeyAt(position: number): number {
    const key = this.#keys[position & this.mask];
    return key < 0 ? -1 - key : key;
  }

  #squeeze(): void {
    const slots = new Uint32Array(this.count);
    let count = 0;
    for (let position = this.first; position < this.end; position++) {
      if (this.isInFlightAt(position)) slots[count++] = position & this.mask;
    }
    let capacity = CAPACITY_MIN;
    // At least as much room as entries: squeezing them costs each new one no more than a constant.
    while (capacity < 2 * (count + 1)) capacity *= 2;
    this.#resize(slots, capacity);
  }

  #resize(slots: Uint32Array, capacity: number): void {
    const keys = new Float64Array(capacity);
    for (let i = 0; i < slots.length; i++) keys[i] = this.#keys[slots[i]];
    this.#keys = keys;
    this.mask = capacity - 1;
    this.first = 0;
    this.end = slots.length;
    this.#columns.rearrange(slots, capacity);
  }
}

/** A column of numbers after `rearrange`. */
export function rearranged<Column extends Float64Array | Uint32Array | Uint16Array | Uint8Array>(
  column: Column,
  into: Column,
  slots: Uint32Array,
): Column {
  for (let i = 0; i < slots.length; i++) into[i] = column[slots[i]];
  return into;
}
