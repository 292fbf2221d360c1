import type { Work } from '../../base/turn-time.ts';
import type { ChunkStore, MessageMemory } from '../../log/memory/chunks.ts';
import { FRAME_HEADER_BYTES } from '../../log/memory/chunks.ts';
import type { QueueLog } from '../../log/queues/queue-log.ts';
import { bodyLengthAt } from '../../records/record-content.ts';
import { DeliveryCursor } from '../acknowledgements/delivery-cursor.ts';
import type { Turn } from '../shard/turn.ts';
import type { RequeueReason } from './delivery-outcome.ts';
import type { DeliveryLevel } from './delivery-source.ts';
import type { Ledger, QueueDepth } from './message-ledger.ts';
import type { DeathReason } from './x-death.ts';

/** How many messages a purge settles in one step. */
const STEP_MESSAGES = 64;

/** The queue of a level, as the level and its publishers know it. */
export interface LevelOwner {
  readonly name: string;
  readonly isRemoved: boolean;
  /** A message with a body of so many bytes was appended to one of the levels. */
  published(bodyBytes: number): void;
  /** There are ready messages that consumers may be waiting for. */
  wake(): void;
  /** Some of the messages have an expiration of their own. */
  messagesExpire(): void;
}

/** Who wants to know of messages that leave the queue, whichever way. */
export interface Departures {
  left(level: PriorityLevel, offset: number): void;
  /** Those that were there, from one offset to below another. */
  leftBetween(level: PriorityLevel, from: number, below: number): void;
}

/** What the levels of one queue share. */
export interface LevelDeps {
  readonly turn: Turn;
  readonly depth: QueueDepth;
  readonly ledger: Ledger;
  readonly outbox: {
    readonly hasExchange: boolean;
    /** False where the queue has no dead-letter exchange. */
    add(level: PriorityLevel, offset: number, reason: DeathReason): boolean;
  };
  readonly deliveryLimit: {
    /** Counts that the message came back, and whether it has failed. True if that is one failure too many. */
    countReturn(level: PriorityLevel, offset: number, hasFailed: boolean): boolean;
  };
  readonly delayedRetry: {
    /** True if the message waits before it is delivered again. */
    delays(level: PriorityLevel, offset: number, bodyBytes: number, hasFailed: boolean): boolean;
  };
}

/**
 * One log of a queue, how far it was delivered, and what becomes of each of its messages. A queue has one level; with
 * priorities it has one for each priority that was ever published.
 */
export class PriorityLevel implements DeliveryLevel {
  readonly queue: LevelOwner;
  readonly priority: number;
  readonly log: QueueLog;
  /** Messages from here on belong to an atomic append that is not durable yet. */
  undurableFrom = Number.POSITIVE_INFINITY;
  /** Told of each message that leaves the queue; null where it does not deduplicate. */
  departures: Departures | null = null;
  /** Messages from here on were not yet looked at for their time to live. */
  freshFrom = 0;
  #readyCount = 0;
  /** How often each message was at a consumer and came back, by offset; null where that is not counted. */
  #acquisitions: Map<number, number> | null = null;
  readonly #cursor: DeliveryCursor;
  readonly #undurable: number[] = [];
  readonly #depth: QueueDepth;
  readonly #ledger: Ledger;
  readonly #turn: Turn;
  readonly #deps: LevelDeps;

  constructor(queue: LevelOwner, priority: number, log: QueueLog, deps: LevelDeps) {
    this.queue = queue;
    this.priority = priority;
    this.log = log;
    this.#cursor = new DeliveryCursor(log.acknowledged);
    this.#depth = deps.depth;
    this.#ledger = deps.ledger;
    this.#turn = deps.turn;
    this.#deps = deps;
  }

  get readyCount(): number {
    return this.#readyCount;
  }

  /** Offsets below were delivered at least once. */
  get deliveredBelow(): number {
    return this.#cursor.deliveredBelow;
  }

  /** How often each message failed at a consumer, by offset; null where that is not counted. */
  get failures(): ReadonlyMap<number, number> | null {
    return this.#cursor.failures;
  }

  get countsFailures(): boolean {
    return this.#cursor.failures !== null;
  }

  /** How often the message failed at a consumer; 0 where that is not counted. */
  failuresOf(offset: number): number {
    return this.#cursor.failures?.get(offset) ?? 0;
  }

  /** How often the message was at a consumer before and came back, failed or not; 0 where that is not counted. */
  acquisitionsOf(offset: number): number {
    return this.#acquisitions?.get(offset) ?? 0;
  }

  get acquisitions(): ReadonlyMap<number, number> | null {
    return this.#acquisitions;
  }

  /** Whether failures and acquisitions are counted from now on. */
  countFailures(isCounted: boolean): void {
    if (isCounted) {
      this.#cursor.failures ??= new Map();
      this.#acquisitions ??= new Map();
    } else {
      this.#cursor.failures = null;
      this.#acquisitions = null;
    }
  }

  /** The message came back so often, and failed so often. */
  setCounts(offset: number, failures: number, acquisitions: number): void {
    if (failures > 0) this.#cursor.failures?.set(offset, failures);
    this.#acquisitions?.set(offset, acquisitions);
  }

  /** Called once the log is recovered: everything that is not settled is ready. */
  recovered(deliveredBelow: number): void {
    const { log } = this;
    this.#cursor.restart(log.end, deliveredBelow);
    for (const offset of this.#acquisitions?.keys() ?? []) {
      if (offset >= log.end || log.isAcknowledged(offset)) this.#acquisitions?.delete(offset);
    }
    this.#readyCount = log.acknowledged.missingIn(log.head, log.end);
    this.freshFrom = log.end;
  }

  /** A message was appended to the log. */
  published(bodyBytes: number): void {
    this.#readyCount++;
    this.queue.published(bodyBytes);
  }

  /** The offset that is next to be delivered. There must be one. */
  peek(): number {
    return this.#cursor.peek();
  }

  /** The message that `peek` gave goes to a consumer. True if it was delivered before. */
  deliver(offset: number, bodyBytes: number): boolean {
    this.#readyCount--;
    this.#depth.delivered(bodyBytes);
    return this.#cursor.take(offset);
  }

  /** The consumer is done with the message, which was published then. */
  acknowledge(offset: number, publishedMs: number): void {
    if (this.queue.isRemoved) return;
    const { log } = this;
    this.#depth.settled();
    this.#ledger.acknowledged++;
    this.#ledger.publishToAck.record(this.#turn.nowMs - publishedMs);
    if (this.#acquisitions !== null) this.#forgetCounts(offset);
    if (this.departures !== null) this.departures.left(this, offset);
    log.acknowledge(offset);
    if (log.durable) this.#turn.schedule();
  }

  /** The message was delivered to a consumer that does not acknowledge. */
  acknowledgeAtOnce(offset: number): void {
    // The delivery may have led to the end of the queue.
    if (this.queue.isRemoved) return;
    this.#depth.settled();
    this.#ledger.acknowledged++;
    this.settle(offset);
    if (this.log.durable) this.#turn.schedule();
  }

  /** The consumer does not want the message, and no other is to get it from here. */
  reject(offset: number): void {
    if (this.queue.isRemoved) return;
    this.#depth.settled();
    this.discard(offset, 'rejected');
  }

  /**
   * The consumer did not process the message: it goes back to its place, unless it failed too often or waits for its
   * next attempt.
   */
  requeue(offset: number, bodyBytes: number, reason: RequeueReason): void {
    if (this.queue.isRemoved) return;
    if (reason === 'unseen' || reason === 'unseen-again') {
      this.undeliver(offset, bodyBytes, reason === 'unseen');
      return;
    }
    const { deliveryLimit, delayedRetry } = this.#deps;
    this.#depth.settled();
    if (this.#acquisitions !== null) {
      const hasFailed = reason === 'rejected' || reason === 'lost';
      if (deliveryLimit.countReturn(this, offset, hasFailed)) {
        this.discard(offset, 'delivery_limit');
        return;
      }
      if (delayedRetry.delays(this, offset, bodyBytes, hasFailed)) return;
    }
    this.giveBack(offset, bodyBytes);
  }

  /** The delivery did not come to pass. `isNew`: there was none before. */
  undeliver(offset: number, bodyBytes: number, isNew: boolean): void {
    if (this.queue.isRemoved) return;
    this.#depth.settled();
    this.giveBack(offset, bodyBytes, isNew);
  }

  /** The message, which is neither ready nor at a consumer, is ready again, at its old place. `isNew`: nobody has seen it. */
  giveBack(offset: number, bodyBytes: number, isNew = false): void {
    this.#readyCount++;
    this.#depth.returned(bodyBytes);
    if (isNew) this.#cursor.giveBackUnseen(offset);
    else this.#cursor.giveBack(offset);
    this.queue.wake();
  }

  /** The message that `peek` gave leaves the queue for good. */
  discardReady(offset: number, bodyBytes: number, reason: DeathReason): void {
    this.#readyCount--;
    this.#depth.discarded(bodyBytes);
    this.#cursor.take(offset);
    this.discard(offset, reason);
  }

  /**
   * The message was acknowledged, or rejected, before the broker ended, and nobody was given it since. `bodyBytes`: -1 if that is not known.
   */
  settleUndelivered(offset: number, bodyBytes: number, isAcknowledged: boolean): void {
    this.#readyCount--;
    if (bodyBytes < 0) this.#depth.discardedUnread(1);
    else this.#depth.discarded(bodyBytes);
    if (isAcknowledged) this.#ledger.acknowledged++;
    else this.#ledger.dropped++;
    this.#cursor.isSparseBelow(offset + 1);
    this.settle(offset);
  }

  /** Whether what is rejected goes on to somewhere else. */
  get deadLetters(): boolean {
    return this.#deps.outbox.hasExchange;
  }

  /** Whether the message is ready, and nobody was given it since the broker began. */
  isUndelivered(offset: number): boolean {
    return offset >= this.#cursor.next && offset < this.log.end && !this.log.isAcknowledged(offset);
  }

  /** The message, which is not ready, leaves the queue for good. */
  discard(offset: number, reason: DeathReason): void {
    if (this.#deps.outbox.add(this, offset, reason)) return;
    if (reason === 'expired') this.#ledger.expired++;
    else this.#ledger.dropped++;
    this.settle(offset);
    if (this.log.durable) this.#turn.schedule();
  }

  /** The message is done with. */
  settle(offset: number): void {
    const { log } = this;
    if (offset < log.tailStart) log.readAhead?.release(offset);
    if (this.#acquisitions !== null) this.#forgetCounts(offset);
    if (this.departures !== null) this.departures.left(this, offset);
    log.acknowledge(offset);
  }

  #forgetCounts(offset: number): void {
    this.#cursor.failures?.delete(offset);
    this.#acquisitions?.delete(offset);
  }

  /** Settles all that is ready. */
  purge(): void {
    const { log } = this;
    const cursor = this.#cursor;
    const { returned } = cursor;
    while (returned.size > 0) this.settle(returned.pop());
    if (cursor.next < log.tailStart) {
      log.readAhead?.drop();
      this.departures?.leftBetween(this, cursor.next, log.tailStart);
      log.acknowledgeStored(cursor.next, log.tailStart);
    }
    for (
      let offset = log.nextUnacknowledged(Math.max(cursor.next, log.tailStart));
      offset < log.end;
      offset = log.nextUnacknowledged(offset + 1)
    ) {
      this.settle(offset);
    }
    cursor.next = log.end;
    this.#readyCount = 0;
    // What could not be read is not wanted any more.
    log.isCorrupt = false;
  }

  /** As `purge`, of what the log has now and nobody took before it was its turn. Returns how many messages went. */
  *purgeInSteps(chunks: ChunkStore): Work<number> {
    const { end } = this.log;
    let count = this.#purgeStored();
    while (this.#readyCount > 0 && !this.queue.isRemoved && !this.log.isCorrupt) {
      const offset = this.peek();
      if (offset >= end) break;
      this.#purgeNext(offset, chunks);
      if (++count % STEP_MESSAGES === 0) yield;
    }
    return count;
  }

  /** What is in segments, at once: ranges of offsets. */
  #purgeStored(): number {
    const { log } = this;
    const { next } = this.#cursor;
    const { tailStart } = log;
    if (next >= tailStart) return 0;
    const count = log.acknowledged.missingIn(next, tailStart);
    log.readAhead?.drop();
    this.departures?.leftBetween(this, next, tailStart);
    log.acknowledgeStored(next, tailStart);
    this.#cursor.next = Math.max(next, tailStart);
    this.#readyCount -= count;
    this.#depth.discardedUnread(count);
    this.#ledger.purged += count;
    return count;
  }

  #purgeNext(offset: number, chunks: ChunkStore): void {
    const position = this.log.positionOf(offset);
    this.#readyCount--;
    if (position < 0) this.#depth.discardedUnread(1);
    else this.#depth.discarded(bodyBytesAt(chunks.of(position), position >>> 0));
    this.#ledger.purged++;
    this.#cursor.take(offset);
    this.settle(offset);
  }

  /** The queue is gone: nothing is delivered any more. */
  clear(): void {
    this.#cursor.returned.clear();
  }

  /** The message should be in a segment and is not: its corrupt batch was cut off. What a consumer has stays. */
  lose(offset: number): void {
    const { log } = this;
    const cursor = this.#cursor;
    if (log.isAcknowledged(offset)) return;
    if (offset === cursor.returned.min) cursor.returned.pop();
    else if (offset < cursor.next) return;
    this.#readyCount--;
    this.#depth.discarded(this.#depth.averageBytes);
    this.#ledger.lost++;
    this.departures?.left(this, offset);
    log.acknowledge(offset);
    if (offset === cursor.next) cursor.next = offset + 1;
    cursor.isSparseBelow(log.tailStart);
  }

  /** What was published from `offset` on is not delivered until `release`. */
  hold(offset: number): void {
    this.#undurable.push(offset);
    this.undurableFrom = this.#undurable[0];
  }

  /** The oldest hold ends: its atomic append is durable. */
  release(): void {
    this.#undurable.shift();
    this.undurableFrom = this.#undurable[0] ?? Number.POSITIVE_INFINITY;
    this.queue.wake();
  }
}

/** Of the message whose frame is at byte `at` of the memory. */
export function bodyBytesAt(memory: MessageMemory, at: number): number {
  return bodyLengthAt(memory.buffer, at + FRAME_HEADER_BYTES);
}
