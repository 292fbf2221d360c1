import type { Scheduler } from '../../../base/scheduler.ts';
import type { Consumer } from '../../../broker/queues/consumer.ts';

/**
 * How many messages a consumer without a prefetch limit has unacknowledged before it has to be asked whether it reads. Its
 * backlog would fill the buffers of the socket on both sides, which are megabytes of small messages, and each answer to
 * the client (tx.commit-ok) would come behind all of them. So many are read in about a tenth of a second, and are enough for
 * 80,000 messages in a second over a round trip of 50 ms.
 */
export const WINDOW_MESSAGES = 4096;
/** How long nothing may be acknowledged on a channel on which nothing ever was. */
const FIRST_WAIT_MS = 100;
/** And on one on which something was: the client may still be busy with reading. */
const WAIT_MS = 500;

/** What the windows know of their channel. */
export interface WindowedChannel {
  readonly state: string;
  readonly output: { readonly isCongested: boolean };
  /** Whether the client waits for an answer. */
  readonly isAnswering: boolean;
}

/**
 * The windows of the consumers of a channel that have no prefetch limit. Acknowledgements open them again. Where nothing is
 * acknowledged for a while, a consumer gets as much again as it has, and again: it may want all there is before it
 * acknowledges. One that acknowledges more than half a window at once keeps what it was given.
 */
export class DeliveryWindows {
  /** How many came, the channel says: what is in a transaction is settled later, but was read. */
  acknowledgements = 0;
  readonly #channel: WindowedChannel;
  readonly #scheduler: Scheduler;
  /** Null until there is one: most channels never have any. */
  #watched: Set<Consumer> | null = null;

  constructor(channel: WindowedChannel, scheduler: Scheduler) {
    this.#channel = channel;
    this.#scheduler = scheduler;
  }

  /** The consumer has used up its window. */
  exhausted(consumer: Consumer): void {
    this.#watched ??= new Set();
    if (this.#watched.has(consumer)) return;
    this.#watched.add(consumer);
    this.#checkLater(consumer);
  }

  /** So many deliveries were settled at once. */
  settled(count: number, consumers: Iterable<Consumer>): void {
    for (const consumer of consumers) if (count > consumer.window / 2) consumer.keepExtension();
  }

  #checkLater(consumer: Consumer): void {
    const before = this.acknowledgements;
    this.#scheduler.after(before === 0 ? FIRST_WAIT_MS : WAIT_MS, () => this.#check(consumer, before));
  }

  #check(consumer: Consumer, acknowledgementsBefore: number): void {
    const channel = this.#channel;
    if (channel.state !== 'open' || !consumer.isActive || consumer.credit > 0) {
      this.#watched?.delete(consumer);
      return;
    }
    const isIdle = this.acknowledgements === acknowledgementsBefore;
    if (isIdle && !channel.output.isCongested && !channel.isAnswering) {
      consumer.extend(consumer.unacknowledgedCount);
    }
    this.#checkLater(consumer);
  }
}
