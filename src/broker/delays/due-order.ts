import type { ChunkStore } from '../../log/memory/chunks.ts';
import type { Bucket } from './bucket.ts';
import { DueHeap } from './due-heap.ts';
import { dueAt } from './due-time.ts';
import { type HeldBudget, ReadBack } from './read-back.ts';
import { type BucketReader, LOOKED_AT_MAX, type Visit } from './reader.ts';

/** Takes the messages of a bucket in the order in which they come due; all of them are in memory. */
export class DueOrder implements BucketReader {
  readonly #bucket: Bucket;
  readonly #chunks: ChunkStore;
  readonly #held: ReadBack;
  readonly #heap = new DueHeap();
  /** Messages below are in the heap, or settled. */
  #indexedTo: number;

  constructor(bucket: Bucket, chunks: ChunkStore, budget: HeldBudget, onRead: (error: Error | null) => void) {
    this.#bucket = bucket;
    this.#chunks = chunks;
    this.#held = new ReadBack(bucket, chunks, budget, onRead);
    this.#indexedTo = bucket.log.head;
  }

  get nextDueMs(): number {
    return this.#heap.minDueMs;
  }

  /** How many messages it knows of. */
  get size(): number {
    return this.#heap.size;
  }

  take(nowMs: number, countMax: number, visit: Visit): boolean {
    const isBehind = this.#index();
    const heap = this.#heap;
    for (let count = 0; heap.minDueMs <= nowMs; ) {
      if (count === countMax) return true;
      const offset = heap.minOffset;
      const position = this.#held.positionOf(offset);
      if (position >= 0) {
        if (!visit(offset, this.#chunks.of(position), position >>> 0)) return true;
        count++;
      } else if (!this.#bucket.log.isAcknowledged(offset)) {
        // It went to a segment since it was indexed: it is read behind what is held already.
        break;
      }
      heap.pop();
    }
    return isBehind;
  }

  readOn(): void {
    this.#held.read();
  }

  release(offset: number): void {
    this.#held.release(offset);
  }

  close(): void {
    this.#held.close();
  }

  /**
   * Takes note of messages that are new, as far as they are in memory. True if there are more than can be looked at in
   * one go.
   */
  #index(): boolean {
    const { log, visibleEnd } = this.#bucket;
    let offset = log.nextUnacknowledged(this.#indexedTo);
    let looked = 0;
    for (; offset < visibleEnd && looked < LOOKED_AT_MAX; offset = log.nextUnacknowledged(offset + 1)) {
      const position = this.#held.positionOf(offset);
      if (position < 0) break;
      this.#heap.push(dueAt(this.#chunks.of(position), position >>> 0), offset);
      looked++;
    }
    this.#indexedTo = Math.min(offset, visibleEnd);
    return looked === LOOKED_AT_MAX;
  }
}
