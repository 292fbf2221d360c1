import { DeadlineTimer } from '../../base/deadline-timer.ts';
import type { Chunk } from '../../log/memory/chunks.ts';
import { type Due, DueItems } from '../acknowledgements/deadline-heap.ts';
import { DeadLetterOutbox, type DeathReason } from './dead-letter-outbox.ts';
import { Expiry } from './message-ttl.ts';
import type { Failure, QueueDeps } from './ports.ts';
import { bodyBytesAt, type PriorityLevel } from './priority-level.ts';
import type { Queue } from './queue.ts';
import type { Retry } from './queue-settings.ts';

/** How many messages expire or are dropped before others get the processor. */
const DISCARDS_MAX = 256;

/** A message that failed and waits, outside the ready ones, for its next attempt. */
interface Attempt extends Due {
  readonly lane: PriorityLevel;
  readonly offset: number;
  readonly bodyBytes: number;
}

/**
 * What a queue has to do beside handing out messages, if its settings or its messages ask for it: messages expire,
 * are too many, wait for another attempt, or leave for the dead-letter exchange. Done after each pump.
 */
export class Chores {
  /** Plain queues look at nothing but this. */
  isNeeded = false;
  readonly #queue: Queue;
  readonly #deps: QueueDeps;
  readonly #expiry = new Expiry();
  readonly #departures: DeadLetterOutbox;
  readonly #retries = new DueItems<Attempt>();
  readonly #alarm: DeadlineTimer;
  #failures: Failure[] = [];
  #discardsLeft = 0;

  constructor(queue: Queue, deps: QueueDeps) {
    this.#queue = queue;
    this.#deps = deps;
    this.#departures = new DeadLetterOutbox((batch) => deps.deadLetter(queue, batch));
    this.#alarm = new DeadlineTimer(deps.scheduler, () => queue.pumpLater());
  }

  get leavingCount(): number {
    return this.#departures.count;
  }

  get retryingCount(): number {
    return this.#retries.count;
  }

  /** The settings of the queue are others now. */
  configure(): void {
    this.#expiry.ttlMs = this.#queue.settings.messageTtlMs ?? Number.POSITIVE_INFINITY;
    // What is at consumers, and comes back, is not new.
    for (const lane of this.#queue.lanes) lane.freshFrom = lane.log.end;
    // Those that did not get away yet have nowhere to go any more.
    if (this.#queue.settings.deadLetterExchange === null) {
      for (const { lane, offset, reason } of this.#departures.clear()) this.discard(lane, offset, reason);
    }
    this.#note();
  }

  messagesExpire(): void {
    this.#expiry.messagesExpire = true;
    this.isNeeded = true;
  }

  isExpired(chunk: Chunk, at: number): boolean {
    return this.#expiry.isNeeded && this.#expiry.dueAt(chunk, at) <= this.#deps.turn.nowMs;
  }

  do(): void {
    this.#discardsLeft = DISCARDS_MAX;
    const queue = this.#queue;
    const { nowMs } = this.#deps.turn;
    if (this.#failures.length > 0) this.#deps.recordFailures(queue, this.#failures.splice(0));
    if (this.#retries.count > 0) {
      this.#retries.take(nowMs, ({ lane, offset, bodyBytes }) => queue.giveBack(lane, offset, bodyBytes));
      this.#alarm.setFor(this.#retries.dueMs, this.#deps.turn.nowMs);
    }
    // Those that had to wait make room for others.
    const wasCongested = this.#departures.isCongested;
    if (wasCongested) this.#departures.leave();
    // Nothing is dropped for want of room while what may be expired is still read from the disk; and what is dropped
    // uncovers others, which may have been expired for long behind it.
    if (this.#expireHeads() && this.#isLimited && this.#dropExcess()) this.#expireHeads();
    if (this.#departures.leave()) queue.pumpLater();
    // Perhaps the work above was broken off, and nothing else would begin it again.
    if (wasCongested && !this.#departures.isCongested) queue.pumpLater();
    if (queue.readyCount === 0) {
      queue.readyBytes = 0;
      // The next one that has a limit will say so.
      if (queue.unacknowledgedCount === 0 && this.#retries.count === 0) this.#expiry.messagesExpire = false;
    }
    this.#note();
  }

  /**
   * The message, which is not ready, failed at a consumer. True if it does not go back to the ready ones: it failed too
   * often, or has to wait for its next attempt.
   */
  failed(lane: PriorityLevel, offset: number, bodyBytes: number, saidSo: boolean): boolean {
    const { deliveryLimit, retry } = this.#queue.settings;
    const failures = this.#queue.failuresOf(lane, offset) + 1;
    if (deliveryLimit !== null && failures > deliveryLimit) {
      // Not recorded: should it not get away before a crash, it comes with the count that it came with.
      this.discard(lane, offset, 'delivery_limit');
      return true;
    }
    this.#recordFailure(lane, offset, failures);
    if (retry === null || (retry.kind !== 'all' && (retry.kind === 'failed') !== saidSo)) return false;
    const dueMs = this.#deps.turn.nowMs + retryDelayMs(retry, failures);
    this.#retries.add({ dueMs, lane, offset, bodyBytes });
    this.isNeeded = true;
    this.#alarm.setFor(dueMs, this.#deps.turn.nowMs);
    return true;
  }

  /** The first of the ready messages leaves the queue for good. */
  discardReady(lane: PriorityLevel, offset: number, bodyBytes: number, reason: DeathReason): void {
    const queue = this.#queue;
    queue.readyCount--;
    queue.readyBytes -= bodyBytes;
    lane.take(offset);
    this.discard(lane, offset, reason);
    if (this.#departures.isFull) this.#departures.leave();
  }

  /** The message, which is not ready, leaves the queue for good. */
  discard(lane: PriorityLevel, offset: number, reason: DeathReason): void {
    const queue = this.#queue;
    if (queue.settings.deadLetterExchange !== null) {
      this.#departures.add(lane, offset, reason);
      this.isNeeded = true;
      queue.pumpLater();
      return;
    }
    if (reason === 'expired') queue.ledger.expired++;
    else queue.ledger.dropped++;
    lane.settle(offset);
    if (lane.log.durable) this.#deps.turn.schedule();
  }

  /** A message that cannot be read any more: true if it was on its way out. */
  forget(lane: PriorityLevel, offset: number): boolean {
    return this.#departures.forget(lane, offset);
  }

  /** What is on its way out and would have to be read first stays behind, and is done with. Returns how many. */
  giveUp(): number {
    let count = 0;
    this.#departures.giveUp(({ lane, offset }) => {
      lane.settle(offset);
      count++;
    });
    return count;
  }

  /** The queue ends, or the broker. */
  stop(): void {
    this.#alarm.stop();
    this.#departures.clear();
    this.#retries.clear();
    this.#failures = [];
  }

  get #isLimited(): boolean {
    const { maxLength, maxLengthBytes, overflow } = this.#queue.settings;
    return overflow === 'drop-head' && (maxLength !== null || maxLengthBytes !== null);
  }

  #note(): void {
    this.isNeeded =
      this.#isLimited ||
      this.#expiry.isNeeded ||
      this.#departures.count > 0 ||
      this.#retries.count > 0 ||
      this.#failures.length > 0;
  }

  #recordFailure(lane: PriorityLevel, offset: number, count: number): void {
    lane.failures?.set(offset, count);
    if (lane.log.durable) {
      this.#failures.push({ lane, offset, count });
      this.isNeeded = true;
      this.#queue.pumpLater();
    }
  }

  /** False if it is enough for now. */
  #mayDiscard(): boolean {
    if (this.#discardsLeft-- > 0) return true;
    this.#queue.pumpLater();
    return false;
  }

  /** False if a head has to be read first, or more may have expired. */
  #expireHeads(): boolean {
    let isKnown = true;
    if (this.#expiry.isNeeded) {
      for (const lane of this.#queue.lanes) if (!this.#expireHead(lane)) isKnown = false;
    }
    return isKnown;
  }

  /** As in RabbitMQ, what expires is found at the head: a message waits behind those that may stay longer. */
  #expireHead(lane: PriorityLevel): boolean {
    let isKnown = true;
    while (lane.readyCount > 0 && !this.#departures.isCongested) {
      const offset = lane.peek();
      if (offset >= lane.heldFrom) break;
      const position = lane.log.positionOf(offset);
      if (position < 0) {
        lane.log.readAhead?.load(offset);
        isKnown = false;
        break;
      }
      const chunk = this.#deps.chunks.of(position);
      const at = position >>> 0;
      const dueMs = this.#expiry.dueAt(chunk, at);
      if (dueMs > this.#deps.turn.nowMs) {
        this.#alarm.setFor(dueMs, this.#deps.turn.nowMs);
        break;
      }
      if (!this.#mayDiscard()) {
        isKnown = false;
        break;
      }
      this.discardReady(lane, offset, bodyBytesAt(chunk, at), 'expired');
    }
    lane.freshFrom = lane.log.end;
    return isKnown;
  }

  /** As in RabbitMQ, from the head, whatever its priority. True if something was dropped. */
  #dropExcess(): boolean {
    const queue = this.#queue;
    const before = queue.readyCount;
    const { settings } = queue;
    const messagesMax = settings.maxLength ?? Number.POSITIVE_INFINITY;
    const bytesMax = settings.maxLengthBytes ?? Number.POSITIVE_INFINITY;
    const mayDropUnseen =
      bytesMax === Number.POSITIVE_INFINITY && settings.deadLetterExchange === null && !this.#expiry.isNeeded;
    while (queue.readyCount > messagesMax || queue.readyBytes > bytesMax) {
      const lane = queue.lanes.find((each) => each.readyCount > 0);
      if (lane === undefined || this.#departures.isCongested || !this.#mayDiscard()) break;
      const offset = lane.peek();
      // What stands behind it is not dropped in its stead: its transaction will be durable soon.
      if (offset >= lane.heldFrom) break;
      const position = lane.log.positionOf(offset);
      if (position >= 0) {
        const chunk = this.#deps.chunks.of(position);
        const at = position >>> 0;
        const reason = this.isExpired(chunk, at) ? 'expired' : 'maxlen';
        this.discardReady(lane, offset, bodyBytesAt(chunk, at), reason);
      } else if (mayDropUnseen) {
        this.discardReady(lane, offset, queue.readyBytes / queue.readyCount, 'maxlen');
      } else {
        lane.log.readAhead?.load(offset);
        break;
      }
    }
    return queue.readyCount < before;
  }
}

/** How long the n-th attempt waits: n times the shortest delay, up to the longest. */
function retryDelayMs({ minMs, maxMs }: Retry, attempt: number): number {
  return Math.min(minMs * attempt, maxMs);
}
