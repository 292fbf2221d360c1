import { DeadlineTimer } from '../../base/deadline-timer.ts';
import { DeadLetterOutbox } from './dead-letter-outbox.ts';
import { DelayedRetry } from './delayed-retry.ts';
import { DeliveryLimit } from './delivery-limit.ts';
import { Discards } from './discards.ts';
import { LengthLimit } from './length-limit.ts';
import type { Ledger, QueueDepth } from './message-ledger.ts';
import { MessageTtl } from './message-ttl.ts';
import type { QueueDeps } from './ports.ts';
import type { PriorityLevel } from './priority-level.ts';
import type { QueueSettings } from './queue-settings.ts';

export type QueueLimitsDeps = Pick<
  QueueDeps,
  'turn' | 'chunks' | 'clock' | 'scheduler' | 'deadLetter' | 'recordReturns'
>;

/** The limits of a queue and its dead-letter outbox, and the order in which they are applied after each pump. */
export class QueueLimits {
  readonly outbox: DeadLetterOutbox;
  readonly discards: Discards;
  readonly ttl: MessageTtl;
  readonly length: LengthLimit;
  readonly deliveries: DeliveryLimit;
  readonly retry: DelayedRetry;
  /** Whether `apply` may have something to do. A field, as each pump asks, and most queues have no limit. */
  areNeeded = false;
  readonly #deps: QueueLimitsDeps;
  readonly #depth: QueueDepth;
  readonly #applyLater: () => void;
  /** Rings when a message expires or is to be tried again. */
  readonly #timer: DeadlineTimer;

  constructor(deps: QueueLimitsDeps, depth: QueueDepth, ledger: Ledger, pumpLater: () => void) {
    const { turn, chunks, scheduler } = deps;
    const applyLater = (): void => {
      this.areNeeded = true;
      pumpLater();
    };
    const timer = new DeadlineTimer(scheduler, applyLater);
    this.#deps = deps;
    this.#depth = depth;
    this.#applyLater = applyLater;
    this.#timer = timer;
    this.outbox = new DeadLetterOutbox(deps, ledger, applyLater);
    this.discards = new Discards(this.outbox, applyLater);
    this.ttl = new MessageTtl({ turn, chunks, timer, discards: this.discards });
    this.length = new LengthLimit({ chunks, depth, ttl: this.ttl, discards: this.discards });
    this.deliveries = new DeliveryLimit(applyLater);
    this.retry = new DelayedRetry(turn, timer);
  }

  configure(settings: QueueSettings, levels: readonly PriorityLevel[]): void {
    this.length.configure(settings);
    this.deliveries.configure(settings.deliveryLimit);
    this.retry.configure(settings.retry);
    this.ttl.configure(settings.messageTtlMs, levels);
    this.outbox.configure(settings.deadLetterExchange !== null);
    this.#note();
  }

  /** Some of the messages have an expiration of their own. */
  messagesExpire(): void {
    this.ttl.messagesExpire();
    this.areNeeded = true;
  }

  apply(levels: readonly PriorityLevel[]): void {
    const { outbox, ttl, length, deliveries, retry } = this;
    const depth = this.#depth;
    this.discards.begin();
    if (deliveries.unrecordedCount > 0) this.#deps.recordReturns(deliveries.takeUnrecorded());
    retry.giveBackDue();
    // Dead letters that had to wait make room for others.
    const wasCongested = outbox.isCongested;
    if (wasCongested) outbox.send();
    // Nothing is dropped for want of room while what may be expired is still read from its segment; and what is dropped
    // uncovers others, which may have expired long ago.
    if (ttl.expireHeads(levels) && length.dropsHead && length.dropExcess(levels)) ttl.expireHeads(levels);
    // Perhaps the work above was broken off for congestion, and nothing else would begin it again.
    if (outbox.send() || (wasCongested && !outbox.isCongested)) this.#applyLater();
    if (depth.ready === 0) {
      depth.dropEstimate();
      if (depth.unacknowledged === 0 && retry.count === 0) ttl.emptied();
    }
    this.#note();
  }

  /** The queue ends, or the broker: no timer rings any more. */
  stop(): void {
    this.#timer.stop();
    this.outbox.clear();
    this.retry.clear();
    this.deliveries.clear();
  }

  #note(): void {
    this.areNeeded =
      this.ttl.isNeeded ||
      this.length.dropsHead ||
      this.outbox.count > 0 ||
      this.retry.count > 0 ||
      this.deliveries.unrecordedCount > 0;
  }
}
