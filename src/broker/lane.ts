import { type Chunk, type ChunkStore, FRAME_HEADER_BYTES } from '../log/chunks.ts';
import type { MessageLog } from '../log/message-log.ts';
import { bodyLengthAt } from '../log/record-content.ts';
import { OffsetHeap } from './offset-heap.ts';
import type { Queue } from './queue.ts';

/**
 * One log of a queue, and how far it was handed out. A queue has one; with priorities it has one for each priority
 * that was ever published.
 *
 *     0 ....... head ............... next ............ end
 *     | settled | delivered, settled   | not delivered yet |
 *               | or given back        |
 *
 * Each message between head and next is settled, unacknowledged at a consumer, on its way elsewhere, waiting for
 * another attempt, or in `returned`: given back, and the first to be delivered again, at its old place.
 */
export class Lane {
  readonly queue: Queue;
  readonly priority: number;
  readonly log: MessageLog;
  readyCount = 0;
  readonly returned = new OffsetHeap();
  /** Messages from here on belong to a transaction that is not durable yet. */
  heldFrom = Number.POSITIVE_INFINITY;
  /** Messages from here on came since the queue last looked at what expired. */
  freshFrom = 0;
  /** How often each message failed at a consumer, where the queue counts that. */
  failures: Map<number, number> | null = null;
  #next = 0;
  /** Messages below were perhaps delivered before the broker stopped. */
  #redeliveredBelow = 0;
  /** Below, settled offsets may lie between undelivered ones. */
  #sparseBelow = 0;
  readonly #holds: number[] = [];

  constructor(queue: Queue, priority: number, log: MessageLog) {
    this.queue = queue;
    this.priority = priority;
    this.log = log;
  }

  /** Offsets below were handed to somebody at least once. */
  get deliveredBelow(): number {
    return Math.max(this.#next, this.#redeliveredBelow);
  }

  /** Called once the log is recovered: everything that is not settled is ready. */
  recovered(deliveredBelow: number): void {
    const { log } = this;
    this.#next = log.head;
    this.#sparseBelow = log.end;
    this.#redeliveredBelow = Math.min(deliveredBelow, log.end);
    this.readyCount = log.end - log.head - log.settled.countIn(log.head, log.end);
    this.freshFrom = log.end;
    if (this.failures === null) return;
    for (const offset of this.failures.keys()) {
      if (offset >= log.end || log.isSettled(offset)) this.failures.delete(offset);
    }
  }

  /** A message was appended to the log. */
  published(bodyBytes: number): void {
    this.readyCount++;
    this.queue.published(bodyBytes);
  }

  /** The offset that is next to be delivered. There must be one. */
  peek(): number {
    if (this.returned.size > 0) return this.returned.min;
    if (this.#next < this.#sparseBelow) this.#next = this.log.nextUnsettled(this.#next);
    return this.#next;
  }

  /** The message that `peek` gave leaves the ready ones. True if it was handed out before. */
  take(offset: number): boolean {
    this.readyCount--;
    if (offset !== this.#next) {
      this.returned.pop();
      return true;
    }
    this.#next = offset + 1;
    return offset < this.#redeliveredBelow;
  }

  /** It is ready again, at its old place. */
  giveBack(offset: number): void {
    this.readyCount++;
    this.returned.push(offset);
  }

  /** Settles all that is ready. */
  purge(): void {
    const { log, returned } = this;
    while (returned.size > 0) this.settle(returned.pop());
    if (this.#next < log.tailStart) {
      log.readAhead?.drop();
      log.settleStored(this.#next, log.tailStart);
    }
    for (
      let offset = log.nextUnsettled(Math.max(this.#next, log.tailStart));
      offset < log.end;
      offset = log.nextUnsettled(offset + 1)
    ) {
      this.settle(offset);
    }
    this.#next = log.end;
    this.readyCount = 0;
    // What could not be read is not wanted any more.
    log.isDamaged = false;
  }

  /** The message is done with. */
  settle(offset: number): void {
    const { log } = this;
    if (offset < log.tailStart) log.readAhead?.release(offset);
    if (this.failures !== null) this.failures.delete(offset);
    log.settle(offset);
  }

  /**
   * A message that should be in a segment is not: its damaged batch was cut off. True if it was ready, and is not
   * any more.
   */
  lose(offset: number): boolean {
    const { log } = this;
    if (log.isSettled(offset)) return false;
    if (offset === this.returned.min) this.returned.pop();
    else if (offset < this.#next) return false; // A consumer has it.
    this.readyCount--;
    log.settle(offset);
    if (offset === this.#next) this.#next = offset + 1;
    this.#sparseBelow = Math.max(this.#sparseBelow, log.tailStart);
    return true;
  }

  /** What was published from `offset` on waits until `release`. */
  hold(offset: number): void {
    this.#holds.push(offset);
    this.heldFrom = this.#holds[0] as number;
  }

  /** The oldest hold ends: its transaction is durable. */
  release(): void {
    this.#holds.shift();
    this.heldFrom = this.#holds[0] ?? Number.POSITIVE_INFINITY;
    this.queue.wake();
  }
}

export function bodyBytesAt(chunk: Chunk, at: number): number {
  return bodyLengthAt(chunk.buffer, at + FRAME_HEADER_BYTES);
}

/** Of messages: how many, and the bytes of their bodies. */
export interface Amount {
  readonly count: number;
  readonly bytes: number;
}

/** What is in memory after recovery, where all of it is ready. */
export function amountInMemory({ log }: Lane, chunks: ChunkStore): Amount {
  let count = 0;
  let bytes = 0;
  for (let offset = log.tailStart; offset < log.end; offset++) {
    const position = log.positionOf(offset);
    if (position < 0) continue;
    count++;
    bytes += bodyBytesAt(chunks.of(position), position >>> 0);
  }
  return { count, bytes };
}
