import type { AcknowledgedOffsets } from '../../log/queues/acknowledged-offsets.ts';
import { OffsetHeap } from './offset-heap.ts';

/**
 * How far a log was delivered to the consumers of a queue, or to the members of a share group.
 *
 *     0 ....... head ............... next .......... end
 *     | settled | delivered, settled, | not delivered yet |
 *               | or given back       |
 *
 * Each message between head and next is settled, in flight, on its way to a dead-letter exchange, waiting for its next
 * attempt, or in `returned`: given back, and delivered again before what is new, in the order of offsets.
 */
export class DeliveryCursor {
  readonly returned = new OffsetHeap();
  /** How often each message failed, where that is counted. */
  failures: Map<number, number> | null = null;
  /** The first offset that was never delivered. */
  next = 0;
  readonly #settled: AcknowledgedOffsets;
  /** Of `returned`, those that nobody has seen; null where there never was one. */
  #unseen: Set<number> | null = null;
  /** Messages below were perhaps delivered before the broker stopped. */
  #redeliveredBelow = 0;
  /** Below, settled offsets may lie between those that were not delivered. */
  #sparseBelow = 0;

  constructor(settled: AcknowledgedOffsets) {
    this.#settled = settled;
  }

  /** Offsets below were delivered at least once. */
  get deliveredBelow(): number {
    return Math.max(this.next, this.#redeliveredBelow);
  }

  /** Once it is known what is settled: nothing is in flight, and everything else is to be delivered. */
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

  /** Messages below may be settled before they are delivered. */
  isSparseBelow(offset: number): void {
    this.#sparseBelow = Math.max(this.#sparseBelow, offset);
  }

  /** The offset that is to be delivered next; it may be the end of the log. */
  peek(): number {
    if (this.returned.min >= 0) return this.returned.min;
    if (this.next < this.#sparseBelow) this.next = this.#settled.next(this.next);
    return this.next;
  }

  /** The offset that `peek` gave is delivered. True if it was before. */
  take(offset: number): boolean {
    if (offset !== this.next) {
      this.returned.pop();
      return this.#unseen?.delete(offset) !== true || offset < this.#redeliveredBelow;
    }
    this.next = offset + 1;
    return offset < this.#redeliveredBelow;
  }

  giveBack(offset: number): void {
    this.returned.push(offset);
  }

  /** The delivery did not come to pass, and there was none before: the next one is the first. */
  giveBackUnseen(offset: number): void {
    if (offset === this.next - 1) {
      this.next = offset;
      return;
    }
    this.#unseen ??= new Set();
    // What left the queue meanwhile is not asked for any more.
    if (this.returned.size === 0) this.#unseen.clear();
    this.#unseen.add(offset);
    this.returned.push(offset);
  }
}
