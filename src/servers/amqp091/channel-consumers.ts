import { randomBytes } from 'node:crypto';
import type { ObjectAccount } from '../../broker/budget/object-account.ts';
import type { Consumer } from '../../broker/queues/consumer.ts';
import type {
  ChannelContext,
  ConnectionContext,
  ConsumersContext,
  DirectReplyTo,
} from './channel-context.ts';
import type { ClientCapabilities } from './connection/capabilities.ts';
import type { ConnectionEvents } from './connection/connection-events.ts';
import { notifyConsumerCancelled } from './deliver/consumer-cancellation-notification.ts';
import { DeliveryAckTimeouts } from './deliver/delivery-ack-timeout.ts';
import { AmqpError, type CloseReason, closeReason } from './errors.ts';

/** The channel of the consumers. `Channel` implements it. */
export interface ConsumingChannel extends ChannelContext {
  readonly connection: ConnectionContext & {
    readonly capabilities: ClientCapabilities;
    readonly events: ConnectionEvents;
  };
  readonly account: ObjectAccount | null;
  /** Ends the channel from our side. */
  close(reason: CloseReason): void;
  updateGate(): void;
}

/** The consumers of one channel, by their tags, and that of direct reply-to. They count for the user. */
export class ChannelConsumers implements ConsumersContext {
  readonly ackTimeouts: DeliveryAckTimeouts;
  directReplyTo: DirectReplyTo | null = null;
  readonly #channel: ConsumingChannel;
  readonly #byTag = new Map<string, Consumer>();

  constructor(channel: ConsumingChannel) {
    this.#channel = channel;
    this.ackTimeouts = new DeliveryAckTimeouts(channel.unacknowledged, channel.settings.consumerTimeoutMs);
  }

  get size(): number {
    return this.#byTag.size;
  }

  get(tag: string): Consumer | undefined {
    return this.#byTag.get(tag);
  }

  values(): Iterable<Consumer> {
    return this.#byTag.values();
  }

  tagFor(requested: string): string {
    if (requested === '') return `amq.ctag-${randomBytes(16).toString('base64url')}`;
    if (!this.#byTag.has(requested)) return requested;
    throw new AmqpError('NOT_ALLOWED', `attempt to reuse consumer tag '${requested}'`);
  }

  admit(): void {
    const { broker, account, vhost } = this.#channel;
    broker.quotas.admit('consumers', account, vhost.name);
  }

  add(consumer: Consumer): void {
    this.#byTag.set(consumer.tag, consumer);
    this.#count(1);
    this.ackTimeouts.watch(consumer);
    this.#channel.connection.events.consumerCreated(this.#channel, consumer);
  }

  cancel(consumer: Consumer): void {
    this.ackTimeouts.watch(consumer);
    if (this.#byTag.delete(consumer.tag)) this.#count(-1);
    this.#channel.connection.events.consumerDeleted(this.#channel, consumer);
    consumer.cancel();
  }

  setDirectReplyTo(consumer: DirectReplyTo): void {
    this.directReplyTo = consumer;
    this.#channel.connection.events.consumerCreated(this.#channel, consumer);
  }

  cancelDirectReplyTo(): void {
    const { directReplyTo } = this;
    if (directReplyTo === null) return;
    this.directReplyTo = null;
    directReplyTo.end();
    this.#channel.connection.events.consumerDeleted(this.#channel, directReplyTo);
  }

  /** By the broker: its queue was deleted, or cannot be read any more. */
  cancelled(consumer: Consumer): void {
    // Another one may have its tag by now.
    if (this.#byTag.get(consumer.tag) !== consumer) return;
    this.#byTag.delete(consumer.tag);
    this.#count(-1);
    const channel = this.#channel;
    const { events, capabilities } = channel.connection;
    events.consumerDeleted(channel, consumer);
    if (channel.state !== 'open') return;
    if (capabilities.consumerCancelNotify) notifyConsumerCancelled(channel, consumer.tag);
  }

  /** Cancels those with a delivery unacknowledged beyond their timeout; what they hold is requeued. */
  checkAckTimeouts(nowMs: number): void {
    for (const consumer of this.#byTag.values()) this.ackTimeouts.watch(consumer);
    for (const consumer of this.ackTimeouts.check(nowMs)) {
      if (this.#channel.state === 'open') this.#ackTimedOut(consumer);
    }
  }

  #ackTimedOut(consumer: Consumer): void {
    const { ackTimeouts } = this;
    const channel = this.#channel;
    const { connection, number } = channel;
    const { tag, queue } = consumer;
    const limitMs = ackTimeouts.limitMs(consumer);
    const ids = { user: connection.user, channel: number, queue: queue.name, consumer: tag, limitMs };
    channel.settings.log.warn(ids, 'a consumer did not acknowledge in time');
    if (consumer.isActive && !connection.capabilities.consumerCancelNotify) {
      // This client would not understand basic.cancel. RabbitMQ closes the channel of any client, with this text.
      const text =
        `delivery acknowledgement on channel ${number} timed out. Timeout value used: ${limitMs} ms. ` +
        'This timeout value can be configured, see consumers doc guide to learn more';
      channel.close(closeReason('PRECONDITION_FAILED', text));
      return;
    }
    if (consumer.isActive) {
      this.cancel(consumer);
      channel.send({ name: 'basic.cancel', consumerTag: tag, noWait: true });
    }
    ackTimeouts.forgive(channel.unacknowledged.requeueOf(consumer));
    channel.updateGate();
  }

  #count(difference: 1 | -1): void {
    const { broker, account, vhost } = this.#channel;
    broker.quotas.change('consumers', account, vhost.name, difference);
  }
}
