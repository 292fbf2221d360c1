import type { Work } from '../../base/turn-time.ts';
import type { Table } from '../../base/value.ts';
import type { MessageMemory } from '../../log/memory/chunks.ts';
import type { ContentView } from '../../records/record-content.ts';
import type { DeliveryLevel } from './delivery-source.ts';
import type { QueueSettings } from './queue-settings.ts';

/** Where a consumer's messages go: implemented by the servers. */
export interface DeliverySink {
  /**
   * One message. The frame is at byte `at` of the memory (see `chunks.ts`), and `content` says what is where in it; it must
   * be copied before returning. Returns whether it was taken: if not, the message goes back to its place, and the consumer gets nothing until it is woken.
   * The queue counts what it gives out by itself.
   */
  deliver(
    consumer: Consumer,
    level: DeliveryLevel,
    offset: number,
    memory: MessageMemory,
    at: number,
    redelivered: boolean,
    content: ContentView,
  ): boolean;
  /** The queue was deleted under the consumer, or cannot be read any more. */
  cancelled(consumer: Consumer): void;
}

/** Closed while nothing may be delivered to a whole group of consumers, as those of one channel. */
export interface Gate {
  open: boolean;
  /**
   * How many messages the group may be given before it closes, beside what its client is too slow to read; those without
   * acknowledgement do not count, but get none where that is 0. Not given: as many as there are.
   */
  room?(): number;
}

/** The queue of a consumer, as the consumer and the servers know it. */
export interface ConsumerOwner {
  readonly name: string;
  readonly vhost: string;
  readonly settings: QueueSettings;
  /** With a single active consumer: who that is. */
  readonly consumers: { readonly active: Consumer | null };
  removeConsumer(consumer: Consumer): void;
  /** In another shard: ends when what the end of a consumer leads to there is in effect everywhere. Null: it leads to nothing. */
  afterCancel?(): Work<void> | null;
  /** Ready messages may have somebody to go to. */
  wake(): void;
}

/** Where a consumer waits that cannot take messages. */
export interface Parking {
  /** It may be able to again. */
  unpark(consumer: Consumer): void;
}

export interface ConsumerRequest {
  readonly tag: string;
  readonly sink: DeliverySink;
  readonly gate: Gate;
  /** How many messages may be unacknowledged; Infinity for no limit. */
  readonly credit: number;
  /**
   * Where there is no limit: how many messages it is given at first, as many as it has time to read while others wait for
   * answers. Whoever hands it over extends that (`extend`). Not given: all there are.
   */
  readonly window?: number;
  readonly noAck: boolean;
  readonly exclusive: boolean;
  /** Those of a lower priority get messages only while none of a higher one can take any. 0 if not given. */
  readonly priority?: number;
  readonly arguments: Table;
}

export class Consumer {
  readonly queue: ConsumerOwner;
  readonly tag: string;
  readonly sink: DeliverySink;
  readonly gate: Gate;
  readonly noAck: boolean;
  readonly exclusive: boolean;
  readonly priority: number;
  readonly arguments: Table;
  /** How many messages may be unacknowledged; 0 for no limit. */
  readonly prefetch: number;
  /** How many messages more it may have now. */
  credit: number;
  /** Deliveries that it has not settled. */
  unacknowledgedCount = 0;
  /** Messages that it may have unacknowledged without a limit of its own; 0 where it has one, or needs none. */
  readonly window: number;
  /** Credit beyond the window, which is not given again. */
  #extension = 0;
  /** It was the single active consumer, and gets nothing more: another one takes over when it has settled all. */
  isQuiescing = false;
  isActive = true;
  /** Null while it is asked for each message. */
  parkedAt: Parking | null = null;
  /** Its neighbours among those that are asked; null while it is parked, and when it is gone. */
  nextInTurn: Consumer | null = null;
  previousInTurn: Consumer | null = null;

  constructor(queue: ConsumerOwner, request: ConsumerRequest) {
    this.queue = queue;
    this.tag = request.tag;
    this.sink = request.sink;
    this.gate = request.gate;
    this.noAck = request.noAck;
    this.exclusive = request.exclusive;
    this.priority = request.priority ?? 0;
    this.arguments = request.arguments;
    this.prefetch = Number.isFinite(request.credit) ? request.credit : 0;
    this.window = request.noAck || Number.isFinite(request.credit) ? 0 : (request.window ?? 0);
    this.credit = request.noAck ? Number.POSITIVE_INFINITY : this.window > 0 ? this.window : request.credit;
  }

  /** A delivery was settled. */
  deliverySettled(): void {
    this.unacknowledgedCount--;
    if (this.#extension > 0) this.#extension--;
    else this.addCredit(1);
    if (this.isQuiescing && this.unacknowledgedCount === 0) this.queue.wake();
  }

  /** The window is used up, and nothing is acknowledged: so many more, for once. */
  extend(count: number): void {
    this.#extension += count;
    this.addCredit(count);
  }

  /** What it acknowledges together shows that the window is too small for it. */
  keepExtension(): void {
    this.#extension = 0;
  }

  /** Messages were acknowledged, or the limit was raised. */
  addCredit(count: number): void {
    this.credit += count;
    // Otherwise whoever opens the gate wakes all behind it, in an order that gives each its turn.
    if (this.gate.open) this.wake();
  }

  /** The gate was opened. */
  wake(): void {
    if (this.parkedAt !== null) this.parkedAt.unpark(this);
    this.queue.wake();
  }

  /** No more deliveries. What is unacknowledged stays so. */
  cancel(): void {
    if (this.isActive) this.queue.removeConsumer(this);
  }
}
