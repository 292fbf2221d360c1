import type { Counter } from '../../base/counter.ts';
import type { CountedTogether } from '../budget/counted-together.ts';
import type { Garbage } from './garbage.ts';
import { type HeapUse, heapUse, type OtherHeaps } from './resident-memory.ts';

/** In shard 0, which measures the memory of the process: the heaps of the other threads, as they tell of them. */
export class HeapsOfOthers implements OtherHeaps {
  readonly #shards: number;
  readonly #free: Counter;
  readonly #wanted: Counter;
  readonly #collected: Counter;

  constructor(together: CountedTogether) {
    this.#shards = together.shards;
    this.#free = together.counter('free-heap');
    this.#wanted = together.counter('garbage-wanted');
    this.#collected = together.counter('garbage-collected');
  }

  get freeBytes(): number {
    return this.#free.others;
  }

  areCollected(): boolean {
    this.#wanted.set(1);
    return this.#collected.others >= this.#shards - 1;
  }

  needNotBeCollected(): void {
    this.#wanted.set(0);
  }
}

/** In another shard: tells shard 0 of the heap of this thread, and collects its garbage when shard 0 wants that. */
export class HeapReport {
  readonly #garbage: Garbage;
  readonly #free: Counter;
  readonly #wanted: Counter;
  readonly #collected: Counter;
  readonly #heapUse: () => HeapUse;

  constructor(together: CountedTogether, garbage: Garbage, use: () => HeapUse = heapUse) {
    this.#garbage = garbage;
    this.#heapUse = use;
    this.#free = together.counter('free-heap');
    this.#wanted = together.counter('garbage-wanted');
    this.#collected = together.counter('garbage-collected');
  }

  /** To be called from time to time. */
  tell(): void {
    const { physicalBytes, usedBytes } = this.#heapUse();
    this.#free.set(Math.max(0, physicalBytes - usedBytes));
    this.#collected.set(this.#wanted.others > 0 && this.#garbage.isCollected() ? 1 : 0);
  }
}
