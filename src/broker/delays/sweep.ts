import type { ChunkStore } from '../../log/memory/chunks.ts';
import type { Bucket } from './bucket.ts';
import { dueAt } from './due-time.ts';
import { type BucketReader, LOOKED_AT_MAX, type Visit } from './reader.ts';

/** From the end of one way through the log to the next. */
const PASS_MS = 100;

/**
 * Reads a bucket from end to end, in the order of the offsets, and takes whatever is due; what is not stays for the
 * next pass. For buckets that are distributed, of which all is taken, and for those that are too large to be held in
 * memory: reading one takes about as long as what is in it takes to come due.
 */
export class Sweep implements BucketReader {
  readonly #bucket: Bucket;
  readonly #chunks: ChunkStore;
  #next: number;
  /** The earliest of those that were passed by. */
  #earliestMs = Number.POSITIVE_INFINITY;
  #notBeforeMs = 0;

  constructor(bucket: Bucket, chunks: ChunkStore) {
    this.#bucket = bucket;
    this.#chunks = chunks;
    this.#next = bucket.log.head;
  }

  get nextDueMs(): number {
    return Math.max(this.#earliestMs, this.#notBeforeMs);
  }

  take(nowMs: number, countMax: number, visit: Visit): boolean {
    const { log } = this.#bucket;
    if (this.nextDueMs <= nowMs && this.#isAtEnd()) this.#beginPass(nowMs);
    let count = 0;
    for (let looked = 0; !this.#isAtEnd(); looked++) {
      if (count === countMax || looked === LOOKED_AT_MAX) return true;
      const offset = this.#next;
      const position = log.positionOf(offset);
      if (position < 0) return false;
      const chunk = this.#chunks.of(position);
      const at = position >>> 0;
      const dueMs = dueAt(chunk, at);
      if (dueMs <= nowMs) {
        if (!visit(offset, chunk, at)) return true;
        this.#next = offset + 1;
        count++;
      } else {
        this.#next = offset + 1;
        if (dueMs < this.#earliestMs) this.#earliestMs = dueMs;
        this.release(offset);
      }
    }
    return false;
  }

  readOn(): void {
    const { log } = this.#bucket;
    if (!this.#isAtEnd() && log.positionOf(this.#next) < 0) log.readAhead?.load(this.#next);
  }

  release(offset: number): void {
    const { log } = this.#bucket;
    if (offset < log.tailStart) log.readAhead?.release(offset);
  }

  close(): void {
    this.#bucket.log.readAhead?.drop();
  }

  #isAtEnd(): boolean {
    this.#next = this.#bucket.log.nextUnacknowledged(this.#next);
    return this.#next >= this.#bucket.visibleEnd;
  }

  #beginPass(nowMs: number): void {
    this.#next = this.#bucket.log.head;
    this.#earliestMs = Number.POSITIVE_INFINITY;
    this.#notBeforeMs = nowMs + PASS_MS;
  }
}
