import { getHeapStatistics } from 'node:v8';
import type { Garbage } from './garbage.ts';

/** What of the heap is in memory, and used. */
export interface HeapUse {
  readonly physicalBytes: number;
  readonly usedBytes: number;
}

/** The heaps of other threads of the process. */
export interface OtherHeaps {
  /** In memory, and not used. */
  readonly freeBytes: number;
  /** Whether their garbage was collected lately. Otherwise that is asked for. */
  areCollected(): boolean;
  needNotBeCollected(): void;
}

const NO_OTHERS: OtherHeaps = {
  freeBytes: 0,
  areCollected: () => true,
  needNotBeCollected: () => undefined,
};

export function heapUse(): HeapUse {
  const { total_physical_size: physicalBytes, used_heap_size: usedBytes } = getHeapStatistics();
  return { physicalBytes, usedBytes };
}

/**
 * How much of the machine's memory the process needs. What is resident is more: pages of the heap that are free stay with the
 * process for a while, and what is garbage is not known as such. One client that makes much of both would block all publishers.
 */
export class ResidentMemory {
  readonly #markBytes: number;
  readonly #residentBytes: () => number;
  readonly #garbage: Garbage;
  readonly #heapUse: () => HeapUse;
  readonly #others: OtherHeaps;

  /** Below `markBytes` it does not matter. */
  constructor(
    markBytes: number,
    residentBytes: () => number,
    garbage: Garbage,
    use: () => HeapUse = heapUse,
    others: OtherHeaps = NO_OTHERS,
  ) {
    this.#markBytes = markBytes;
    this.#residentBytes = residentBytes;
    this.#garbage = garbage;
    this.#heapUse = use;
    this.#others = others;
  }

  /** To be called from time to time. While garbage is collected it is not more than the mark. */
  bytes(): number {
    const residentBytes = this.#residentBytes();
    if (residentBytes <= this.#markBytes) return this.#withoutNeed(residentBytes);
    const { physicalBytes, usedBytes } = this.#heapUse();
    const freeBytes = Math.max(0, physicalBytes - usedBytes) + this.#others.freeBytes;
    const neededBytes = residentBytes - freeBytes;
    if (neededBytes <= this.#markBytes) return this.#withoutNeed(neededBytes);
    // All of them begin at once.
    const isCollected = this.#garbage.isCollected();
    return this.#others.areCollected() && isCollected ? neededBytes : this.#markBytes;
  }

  #withoutNeed(bytes: number): number {
    this.#others.needNotBeCollected();
    return bytes;
  }
}
