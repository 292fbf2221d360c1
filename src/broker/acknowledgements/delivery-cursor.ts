import type { AcknowledgedOffsets } from '../../log/queues/acknowledged-offsets.ts';
import { OffsetHeap } from './offset-heap.ts';

/**
 * How far a log was handed out to those who share the work on it: the consumers of a queue, the members of a share group.
 *
 *     0 ....... head ............... next ............ end
 *     | settled | handed out, settled, | not handed out yet |
 *               | or given back        |
 *
 * Each message between head and next is settled, held by somebody, on its way elsewhere, waiting for another attempt, or
 * in `returned`: given back, and the first to be handed out again, at its old place.
 */
export class Cursor {
  readonly returned = new OffsetHeap();
  /** How often each message failed, where that is counted. */
  failures: Map<number, number> | null = null;
  next = 0;
  readonly #settled: AcknowledgedOffsets;
  /** Messages below were perhaps handed out before the broker stopped. */
  #redeliveredBelow = 0;
  /** Below, settled offsets may lie between those that were not handed out. */
  #sparseBelow = 0;

  constructor(settled: AcknowledgedOffsets) {
    this.#settled = settled;
  }

  /** Offsets below were handed to somebody at least once. */
  get deliveredBelow(): number {
    return Math.max(this.next, this.#redeliveredBelow);
  }

  /** Once it is known what is settled: nobody holds anything, and everything else is to be handed out. */
  restart(end: number, deliveredBelow: number): void {
    this.next = this.#settled.head;
    this.returned.clear();
    this.#sparseBelow = end;
    this.#redeliveredBelow = Math.min(deliveredBelow, end);
    if (this.failures === null) return;
    for (const offset of this.failures.keys()) {
      if (offset >= end || this.#settled.has(offset)) this.failures.delete(offset);
    }
  }

  /** From here on there may be messages that are settled before they are handed out. */
  isSparseBelow(offset: number): void {
    this.#sparseBelow = Math.max(this.#sparseBelow, offset);
  }

  /** The offset that is to be handed out next; it need not be there yet. */
  peek(): number {
    if (this.returned.size > 0) return this.returned.min;
    if (this.next < this.#sparseBelow) this.next = this.#settled.next(this.next);
    return this.next;
  }

  /** What `peek` gave is handed out. True if it was before. */
  take(offset: number): boolean {
    if (offset !== this.next) {
      this.returned.pop();
      return true;
    }
    this.next = offset + 1;
    return offset < this.#redeliveredBelow;
  }

  giveBack(offset: number): void {
    this.returned.push(offset);
  }
}
