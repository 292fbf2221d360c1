import type { Counter } from './counter.ts';

/** Which shard of how many writes, and reads. */
export interface Place {
  readonly number: number;
  readonly count: number;
}

/** Cells of a cache line: what two shards write is never in one. */
const LINE_CELLS = 8;

/**
 * Numbers that several threads count together, in memory that they share:
 *
 *     shard 0: cell 0, cell 1, ... up to a cache line
 *     shard 1: cell 0, cell 1, ...
 *
 * Each cell is written by its shard alone, and by a plain store: there is nothing to be lost, and on the machines of 64 bits
 * that Node runs on a number is read whole. Others may see it a moment later. So a limit can be exceeded by what the shards
 * add before they have seen each other.
 */
export class SharedCounters {
  readonly #cells: Float64Array;
  readonly #place: Place;
  /** Cells of one shard. */
  readonly #width: number;

  /** For `cells` counters of `count` shards; all are 0. */
  static memory(cells: number, count: number): SharedArrayBuffer {
    return new SharedArrayBuffer(widthFor(cells) * count * Float64Array.BYTES_PER_ELEMENT);
  }

  constructor(memory: SharedArrayBuffer, place: Place) {
    this.#cells = new Float64Array(memory);
    this.#place = place;
    this.#width = this.#cells.length / place.count;
  }

  counter(cell: number): Counter {
    return new CellCounter(this, cell);
  }

  set(cell: number, own: number): void {
    this.#cells[this.#place.number * this.#width + cell] = own;
  }

  /** Only this shard writes its cell: nothing comes between reading and writing it. */
  add(cell: number, difference: number): void {
    this.#cells[this.#place.number * this.#width + cell] += difference;
  }

  others(cell: number): number {
    const { number, count } = this.#place;
    let sum = 0;
    for (let shard = 0; shard < count; shard++) {
      if (shard !== number) sum += this.#cells[shard * this.#width + cell];
    }
    return sum;
  }

  largestOther(cell: number): number {
    const { number, count } = this.#place;
    let largest = 0;
    for (let shard = 0; shard < count; shard++) {
      if (shard !== number) largest = Math.max(largest, this.#cells[shard * this.#width + cell]);
    }
    return largest;
  }
}

class CellCounter implements Counter {
  readonly #all: SharedCounters;
  readonly #cell: number;

  constructor(all: SharedCounters, cell: number) {
    this.#all = all;
    this.#cell = cell;
  }

  set(own: number): void {
    this.#all.set(this.#cell, own);
  }

  get others(): number {
    return this.#all.others(this.#cell);
  }

  get largestOther(): number {
    return this.#all.largestOther(this.#cell);
  }
}

function widthFor(cells: number): number {
  return Math.ceil(cells / LINE_CELLS) * LINE_CELLS;
}
