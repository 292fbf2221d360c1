import { getHeapStatistics } from 'node:v8';
import { oldGenerationBytesMax } from '../../base/old-generation.ts';
import type { Garbage } from './garbage.ts';

/** Of the limit: where it begins to matter how much of what is used is garbage. */
const MATTERS_FROM = 0.7;

/** How much of Node's heap is in use. */
export class LiveHeap {
  /** Of what lives on: `--max-old-space-size`. When it is reached, V8 ends the process. */
  readonly limitBytes = oldGenerationBytesMax();
  readonly #garbage: Garbage;

  constructor(garbage: Garbage) {
    this.#garbage = garbage;
  }

  /** To be called from time to time. While garbage is collected it is not more than `MATTERS_FROM` of the limit. */
  bytes(): number {
    const usedBytes = getHeapStatistics().used_heap_size;
    const unknownBytes = this.limitBytes * MATTERS_FROM;
    return usedBytes < unknownBytes || this.#garbage.isCollected() ? usedBytes : unknownBytes;
  }
}
