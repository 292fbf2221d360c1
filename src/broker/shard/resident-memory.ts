import { getHeapStatistics } from 'node:v8';
import type { Garbage } from './garbage.ts';

/** What of the heap is in memory, and used. */
export interface HeapUse {
  readonly physicalBytes: number;
  readonly usedBytes: number;
}

function heapUse(): HeapUse {
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

  /** Below `markBytes` it does not matter. */
  constructor(
    markBytes: number,
    residentBytes: () => number,
    garbage: Garbage,
    use: () => HeapUse = heapUse,
  ) {
    this.#markBytes = markBytes;
    this.#residentBytes = residentBytes;
    this.#garbage = garbage;
    this.#heapUse = use;
  }

  /** To be called from time to time. While garbage is collected it is not more than the mark. */
  bytes(): number {
    const residentBytes = this.#residentBytes();
    if (residentBytes <= this.#markBytes) return residentBytes;
    const { physicalBytes, usedBytes } = this.#heapUse();
    const neededBytes = residentBytes - Math.max(0, physicalBytes - usedBytes);
    if (neededBytes <= this.#markBytes || this.#garbage.isCollected()) return neededBytes;
    return this.#markBytes;
  }
}
