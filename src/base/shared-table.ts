import { hash, randomBytes } from 'node:crypto';
import { ALONE_ROW, type Row, type Rows } from './counter.ts';
import { type Place, SharedCounters } from './shared-counters.ts';

/** What threads share of a table; it can be sent to them. */
export interface SharedTableMemory {
  readonly columns: number;
  /** Under which names are hashed: nobody can choose names whose hashes are the same, or lie side by side. */
  readonly key: string;
  /** The lock, then for each slot: both halves of the hash, and how many hold it. */
  readonly slots: SharedArrayBuffer;
  readonly cells: SharedArrayBuffer;
}

/** A name is in one of so many slots, from the one that its hash says on. */
const WINDOW = 64;
const SLOT_FIELDS = 3;
const HOLDERS = 2;
const KEY_BYTES = 16;
/** A thread that has the lock may be suspended; whoever waits looks again after this long even if nobody wakes it. */
const LOCK_WAIT_MS = 1;

/**
 * Counters by name, in memory that threads share, of a fixed size. A name has a slot from its first claim to its last
 * release, in whichever shards those are; its 64 bits of hash stand for it. Claims and releases are made under a lock, for
 * less than a microsecond; counting is not.
 *
 * Where there is no slot left the name is counted by each shard for itself. A limit is then one for each shard, so up to `count` times as
 * large. To refuse whoever comes would let anybody who has many names keep all others out.
 */
export class SharedTable implements Rows {
  readonly #key: string;
  readonly #columns: number;
  readonly #capacity: number;
  readonly #slots: Int32Array;
  readonly #cells: SharedCounters;

  static memory(capacity: number, columns: number, count: number): SharedTableMemory {
    const slots = new SharedArrayBuffer((1 + capacity * SLOT_FIELDS) * Int32Array.BYTES_PER_ELEMENT);
    const cells = SharedCounters.memory(capacity * columns, count);
    return { columns, key: randomBytes(KEY_BYTES).toString('hex'), slots, cells };
  }

  constructor({ columns, key, slots, cells }: SharedTableMemory, place: Place) {
    this.#key = key;
    this.#columns = columns;
    this.#slots = new Int32Array(slots);
    this.#capacity = (this.#slots.length - 1) / SLOT_FIELDS;
    this.#cells = new SharedCounters(cells, place);
  }

  /** Slots that somebody holds. */
  get size(): number {
    let held = 0;
    for (let slot = 0; slot < this.#capacity; slot++) {
      if (Atomics.load(this.#slots, fieldsOf(slot) + HOLDERS) > 0) held++;
    }
    return held;
  }

  claim(name: string): Row {
    const [low, high] = this.#hash(name);
    this.#lock();
    try {
      const slot = this.#find(low, high) ?? this.#occupy(low, high);
      if (slot === null) return ALONE_ROW;
      Atomics.add(this.#slots, fieldsOf(slot) + HOLDERS, 1);
      return new SlotRow(this, this.#cells, slot, slot * this.#columns);
    } finally {
      this.#unlock();
    }
  }

  others(name: string, column: number): number {
    const [low, high] = this.#hash(name);
    this.#lock();
    try {
      const slot = this.#find(low, high);
      return slot === null ? 0 : this.#cells.others(slot * this.#columns + column);
    } finally {
      this.#unlock();
    }
  }

  release(slot: number): void {
    this.#lock();
    Atomics.sub(this.#slots, fieldsOf(slot) + HOLDERS, 1);
    this.#unlock();
  }

  #hash(name: string): [number, number] {
    const bytes = hash('sha256', `${this.#key} ${name}`, 'buffer');
    return [bytes.readInt32LE(0), bytes.readInt32LE(4)];
  }

  /** Null if nobody holds it. Under the lock. */
  #find(low: number, high: number): number | null {
    for (let i = 0; i < this.#windowSize; i++) {
      const slot = this.#slotAt(low, i);
      const at = fieldsOf(slot);
      if (this.#slots[at] === low && this.#slots[at + 1] === high && this.#slots[at + HOLDERS] > 0) {
        return slot;
      }
    }
    return null;
  }

  /** Null if others hold all slots where it may be. Under the lock. */
  #occupy(low: number, high: number): number | null {
    for (let i = 0; i < this.#windowSize; i++) {
      const slot = this.#slotAt(low, i);
      const at = fieldsOf(slot);
      if (this.#slots[at + HOLDERS] > 0) continue;
      this.#slots[at] = low;
      this.#slots[at + 1] = high;
      return slot;
    }
    return null;
  }

  get #windowSize(): number {
    return Math.min(WINDOW, this.#capacity);
  }

  #slotAt(low: number, i: number): number {
    return ((low >>> 0) + i) % this.#capacity;
  }

  #lock(): void {
    while (Atomics.compareExchange(this.#slots, 0, 0, 1) !== 0) Atomics.wait(this.#slots, 0, 1, LOCK_WAIT_MS);
  }

  #unlock(): void {
    Atomics.store(this.#slots, 0, 0);
    Atomics.notify(this.#slots, 0, 1);
  }
}

class SlotRow implements Row {
  readonly #table: SharedTable;
  readonly #cells: SharedCounters;
  readonly #slot: number;
  readonly #firstCell: number;

  constructor(table: SharedTable, cells: SharedCounters, slot: number, firstCell: number) {
    this.#table = table;
    this.#cells = cells;
    this.#slot = slot;
    this.#firstCell = firstCell;
  }

  add(column: number, difference: number): void {
    this.#cells.add(this.#firstCell + column, difference);
  }

  others(column: number): number {
    return this.#cells.others(this.#firstCell + column);
  }

  release(): void {
    this.#table.release(this.#slot);
  }
}

function fieldsOf(slot: number): number {
  return 1 + slot * SLOT_FIELDS;
}
