import { type Chunk, type ChunkStore, FRAME_HEADER_BYTES } from '../../log/memory/chunks.ts';
import type { QueueLog } from '../../log/queues/queue-log.ts';
import { bodyLengthAt } from '../../records/record-content.ts';
import { Cursor } from '../acknowledgements/delivery-cursor.ts';
import type { Queue } from './queue.ts';

/**
 * One log of a queue, and how far it was handed out. A queue has one; with priorities it has one for each priority
 * that was ever published.
 */
export class PriorityLevel {
  readonly queue: Queue;
  readonly priority: number;
  readonly log: QueueLog;
  readonly cursor: Cursor;
  readyCount = 0;
  /** Messages from here on belong to a transaction that is not durable yet. */
  heldFrom = Number.POSITIVE_INFINITY;
  /** Messages from here on came since the queue last looked at what expired. */
  freshFrom = 0;
  readonly #holds: number[] = [];

  constructor(queue: Queue, priority: number, log: QueueLog) {
    this.queue = queue;
    this.priority = priority;
    this.log = log;
    this.cursor = new Cursor(log.settled);
  }

  /** Offsets below were handed to somebody at least once. */
  get deliveredBelow(): number {
    return this.cursor.deliveredBelow;
  }

  /** How often each message failed at a consumer, where the queue counts that. */
  get failures(): Map<number, number> | null {
    return this.cursor.failures;
  }

  /** Called once the log is recovered: everything that is not settled is ready. */
  recovered(deliveredBelow: number): void {
    const { log } = this;
    this.cursor.restart(log.end, deliveredBelow);
    this.readyCount = log.settled.missingIn(log.head, log.end);
    this.freshFrom = log.end;
  }

  /** A message was appended to the log. */
  published(bodyBytes: number): void {
    this.readyCount++;
    this.queue.published(bodyBytes);
  }

  /** The offset that is next to be delivered. There must be one. */
  peek(): number {
    return this.cursor.peek();
  }

  /** The message that `peek` gave leaves the ready ones. True if it was handed out before. */
  take(offset: number): boolean {
    this.readyCount--;
    return this.cursor.take(offset);
  }

  /** It is ready again, at its old place. */
  giveBack(offset: number): void {
    this.readyCount++;
    this.cursor.giveBack(offset);
  }

  /** Settles all that is ready. */
  purge(): void {
    const { log, cursor } = this;
    const { returned } = cursor;
    while (returned.size > 0) this.settle(returned.pop());
    if (cursor.next < log.tailStart) {
      log.readAhead?.drop();
      log.settleStored(cursor.next, log.tailStart);
    }
    for (
      let offset = log.nextUnsettled(Math.max(cursor.next, log.tailStart));
      offset < log.end;
      offset = log.nextUnsettled(offset + 1)
    ) {
      this.settle(offset);
    }
    cursor.next = log.end;
    this.readyCount = 0;
    // What could not be read is not wanted any more.
    log.isCorrupt = false;
  }

  /** The message is done with. */
  settle(offset: number): void {
    const { log } = this;
    const { failures } = this.cursor;
    if (offset < log.tailStart) log.readAhead?.release(offset);
    if (failures !== null) failures.delete(offset);
    log.settle(offset);
  }

  /**
   * A message that should be in a segment is not: its damaged batch was cut off. True if it was ready, and is not
   * any more.
   */
  lose(offset: number): boolean {
    const { log, cursor } = this;
    if (log.isSettled(offset)) return false;
    if (offset === cursor.returned.min) cursor.returned.pop();
    else if (offset < cursor.next) return false; // A consumer has it.
    this.readyCount--;
    log.settle(offset);
    if (offset === cursor.next) cursor.next = offset + 1;
    cursor.isSparseBelow(log.tailStart);
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
export function amountInMemory({ log }: PriorityLevel, chunks: ChunkStore): Amount {
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
