import { randomBytes } from 'node:crypto';
import type { Broker } from '../../broker/broker.ts';
import type { Consumer, Gate } from '../../broker/queues/consumer.ts';
import type { Queue } from '../../broker/queues/queue.ts';
import { Unacknowledged } from '../../broker/queues/unacknowledged.ts';
import type { StreamExchange } from '../../broker/streams/bindings/stream-exchange.ts';
import type { VirtualHost } from '../../broker/topology/virtual-host.ts';
import type { Method, MethodOf } from '../../wire/amqp091/definitions.ts';
import type { Connection } from './connection/connection.ts';
import type { Output } from './connection/output.ts';
import { DeferredFrames } from './deferred-frames.ts';
import { Delivery, GetAnswer } from './deliver/delivery.ts';
import { ConsumerTimeouts } from './deliver/delivery-ack-timeout.ts';
import { DirectReply } from './deliver/direct-reply.ts';
import { StreamDelivery } from './deliver/stream-delivery.ts';
import { AmqpError, reply } from './errors.ts';
import type { StreamReading } from './handlers/consume-stream.ts';
import type { Settings } from './options.ts';
import { Publishing } from './publish/publish.ts';
import type { Confirms } from './publish/publisher-confirms.ts';
import type { RouteCache } from './publish/route-cache.ts';
import type { ChannelTransaction } from './publish/tx-channel.ts';

/**
 * - `open`;
 * - `closing`: we sent channel.close, and ignore everything until close-ok (AMQP 1.5.2.5);
 * - `closed`: the number is free.
 */
export type ChannelState = 'open' | 'closing' | 'closed';

/** One channel: what the client has set up on it, and what it holds of the broker. */
export class Channel {
  readonly number: number;
  readonly connection: Connection;
  readonly broker: Broker;
  readonly vhost: VirtualHost<Queue>;
  readonly output: Output;
  readonly frameMax: number;
  readonly settings: Settings;
  readonly routes: RouteCache;
  readonly unacknowledged = new Unacknowledged();
  readonly publishing: Publishing;
  readonly consumers = new Map<string, Consumer>();
  readonly timeouts: ConsumerTimeouts;
  /** As in RabbitMQ, `global` limits of unacknowledged messages also stop the consumers that do not acknowledge. */
  readonly gate: Gate;
  /** The consumer of `amq.rabbitmq.reply-to`. */
  reply: DirectReply | null = null;
  state: ChannelState = 'open';
  confirms: Confirms | null = null;
  transaction: ChannelTransaction | null = null;
  /** basic.qos without `global`: for consumers to come. 0: no limit. */
  prefetchPerConsumer = 0;
  /** basic.qos with `global`: for the whole channel. 0: no limit. */
  prefetchLimit = 0;
  /** Of the queue declared last, for methods that name none. */
  lastQueue = '';
  /** Frames that came while the answer to an earlier one has to be waited for; null when there is nothing to wait for. */
  held: DeferredFrames | null = null;
  #isFlowing = true;
  /** Which consumer is woken first: otherwise the queue of the first would have all of the channel's limit. */
  #firstWoken = 0;
  /** What waits for the output to have room again. */
  #onRelief: (() => void) | null = null;

  constructor(number: number, connection: Connection) {
    this.number = number;
    this.connection = connection;
    this.broker = connection.broker;
    this.vhost = connection.vhost;
    this.output = connection.output;
    this.frameMax = connection.frameMax;
    this.settings = connection.settings;
    this.routes = connection.routes;
    this.publishing = new Publishing(this);
    this.gate = { open: !connection.output.isCongested };
    this.timeouts = new ConsumerTimeouts(this.unacknowledged, connection.settings.consumerTimeoutMs);
  }

  send(method: Method): void {
    this.output.method(this.number, method);
  }

  /** The queue that a method means: an empty name stands for the one declared last (RabbitMQ, AMQP 1.7.2.1). */
  queueName(name: string): string {
    if (name !== '') return name;
    if (this.lastQueue === '') throw new AmqpError('NOT_FOUND', 'no previously declared queue');
    return this.lastQueue;
  }

  /** The queue delivers at the end of the turn at the soonest, so that consume-ok comes first. */
  consume(queue: Queue, method: MethodOf<'basic.consume'>, priority: number): void {
    const tag = this.#newTag(method.consumerTag);
    const limited = this.prefetchPerConsumer > 0;
    const consumer = queue.addConsumer({
      tag,
      sink: new Delivery(this, tag),
      gate: this.gate,
      credit: limited ? this.prefetchPerConsumer : Number.POSITIVE_INFINITY,
      noAck: method.noAck,
      exclusive: method.exclusive,
      priority,
      arguments: method.arguments,
    });
    this.consumers.set(tag, consumer);
    this.timeouts.watch(consumer);
    this.connection.events.consumerCreated(this, consumer);
    if (!method.noWait) this.send({ name: 'basic.consume-ok', consumerTag: tag });
  }

  /** From a stream: messages come at the end of the turn at the soonest, too. */
  consumeStream(view: StreamExchange, method: MethodOf<'basic.consume'>, reading: StreamReading): void {
    const tag = this.#newTag(method.consumerTag);
    const consumer = view.consumers.add({
      tag,
      sink: new StreamDelivery(this, tag),
      gate: this.gate,
      credit: this.prefetchPerConsumer,
      exclusive: method.exclusive,
      arguments: method.arguments,
      ...reading,
    });
    this.consumers.set(tag, consumer.asConsumer);
    this.timeouts.watch(consumer.asConsumer);
    this.connection.events.consumerCreated(this, consumer.asConsumer);
    if (!method.noWait) this.send({ name: 'basic.consume-ok', consumerTag: tag });
  }

  /** Direct reply-to: from now on this channel can ask. */
  consumeReplies({ consumerTag, noAck, noWait, ...method }: MethodOf<'basic.consume'>): void {
    const tag = this.#newTag(consumerTag);
    if (!noAck) throw new AmqpError('PRECONDITION_FAILED', 'reply consumer cannot acknowledge');
    if (this.reply !== null) throw new AmqpError('PRECONDITION_FAILED', 'reply consumer already set');
    this.reply = new DirectReply(this, tag, method.arguments);
    this.connection.events.consumerCreated(this, this.reply);
    if (!noWait) this.send({ name: 'basic.consume-ok', consumerTag: tag });
  }

  cancelReplies(): void {
    const { reply } = this;
    if (reply === null) return;
    this.reply = null;
    reply.end();
    this.connection.events.consumerDeleted(this, reply);
  }

  #newTag(wanted: string): string {
    if (wanted === '') return `amq.ctag-${randomBytes(16).toString('base64url')}`;
    if (!this.consumers.has(wanted)) return wanted;
    throw new AmqpError('NOT_ALLOWED', `attempt to reuse consumer tag '${wanted}'`);
  }

  cancel(consumer: Consumer): void {
    this.timeouts.watch(consumer);
    this.consumers.delete(consumer.tag);
    this.connection.events.consumerDeleted(this, consumer);
    consumer.cancel();
  }

  /** One message, or that there is none. Answers can be large: they wait until the client has read the last ones. */
  get(queue: Queue, noAck: boolean): void {
    queue.assertReadable();
    this.hold();
    const get = () => queue.get(noAck, new GetAnswer(this, noAck));
    if (this.output.isCongested) this.#onRelief = get;
    else get();
  }

  recover(requeue: boolean): void {
    // RabbitMQ has never had the other way, redelivery to the same consumer.
    if (!requeue) throw new AmqpError('NOT_IMPLEMENTED', 'requeue=false');
    const { transaction, unacknowledged } = this;
    if (transaction === null) unacknowledged.requeueAll();
    else unacknowledged.requeueUnless((tag) => transaction.hasAcknowledged(tag));
    this.updateGate();
  }

  /** Its queue is gone (RabbitMQ's consumer cancel notification). */
  consumerCancelled(consumer: Consumer): void {
    if (!this.consumers.delete(consumer.tag)) return;
    this.connection.events.consumerDeleted(this, consumer);
    if (this.state !== 'open') return;
    if (!this.connection.capabilities.consumerCancelNotify) return;
    // If this very channel deleted the queue, delete-ok comes first, as in RabbitMQ: clients close the channel when
    // they see that the consumer is gone. Its place in the line is taken when the caller of this has returned.
    queueMicrotask(() => this.#notifyCancel(consumer.tag));
  }

  #notifyCancel(consumerTag: string): void {
    const { broker } = this;
    const onDurable = () => {
      if (this.state === 'open') this.send({ name: 'basic.cancel', consumerTag, noWait: true });
    };
    if (broker.isDurable(broker.metadataBlock)) onDurable();
    else broker.whenDurable(broker.metadataBlock, { onDurable });
  }

  ack(tag: number, multiple: boolean): void {
    this.#settle(tag, multiple, 'ack');
  }

  reject(tag: number, multiple: boolean, requeue: boolean): void {
    this.#settle(tag, multiple, requeue ? 'requeue' : 'drop');
  }

  #settle(tag: number, multiple: boolean, kind: 'ack' | 'drop' | 'requeue'): void {
    const { unacknowledged, transaction } = this;
    if (transaction !== null) {
      if (!unacknowledged.has(tag, multiple) || (tag > 0 && transaction.hasAcknowledged(tag)))
        this.#failTag(tag);
      // 0 means all that there is now, and not what comes until the commit.
      else if (tag > 0) transaction.acknowledge(tag, multiple, kind);
      else if (unacknowledged.count > 0) transaction.acknowledge(unacknowledged.nextTag - 1, multiple, kind);
      return;
    }
    const count =
      kind === 'ack'
        ? unacknowledged.ack(tag, multiple)
        : unacknowledged.reject(tag, multiple, kind === 'requeue');
    if (count < 0) this.#failTag(tag);
    if (!this.gate.open) this.updateGate();
  }

  #failTag(tag: number): void {
    if (this.timeouts.isForgiven(tag)) return;
    throw new AmqpError('PRECONDITION_FAILED', `unknown delivery tag ${tag}`);
  }

  /** Cancels the consumers that have held a message for too long; what they hold goes to others. */
  checkTimeouts(nowMs: number): void {
    for (const consumer of this.consumers.values()) this.timeouts.watch(consumer);
    for (const consumer of this.timeouts.check(nowMs)) {
      if (this.state === 'open') this.#timeOut(consumer);
    }
  }

  #timeOut(consumer: Consumer): void {
    const { connection, timeouts, unacknowledged, settings } = this;
    const { tag, queue } = consumer;
    const limitMs = timeouts.limitMs(consumer);
    const ids = { user: connection.user, channel: this.number, queue: queue.name, consumer: tag, limitMs };
    settings.log.warn(ids, 'a consumer did not acknowledge in time');
    if (consumer.isActive && !connection.capabilities.consumerCancelNotify) {
      // Nothing else could tell this client. The text is RabbitMQ's, where it is always so.
      const text =
        `delivery acknowledgement on channel ${this.number} timed out. Timeout value used: ${limitMs} ms. ` +
        'This timeout value can be configured, see consumers doc guide to learn more';
      connection.closeChannel(this, reply('PRECONDITION_FAILED', text));
      return;
    }
    if (consumer.isActive) {
      this.cancel(consumer);
      this.send({ name: 'basic.cancel', consumerTag: tag, noWait: true });
    }
    timeouts.forgive(unacknowledged.requeueOf(consumer));
    this.updateGate();
  }

  /** To be called after each delivery on a channel with a limit. What was asked for singly does not count. */
  checkPrefetch(): void {
    if (this.unacknowledged.consumerCount >= this.prefetchLimit) this.gate.open = false;
  }

  setFlow(active: boolean): void {
    this.#isFlowing = active;
    this.updateGate();
  }

  /** Deliveries go on if nothing stands in their way any more. */
  updateGate(): void {
    const { gate, prefetchLimit, unacknowledged } = this;
    const wasOpen = gate.open;
    const mayDeliver = this.state === 'open' && this.#isFlowing && !this.output.isCongested;
    gate.open = mayDeliver && (prefetchLimit === 0 || unacknowledged.consumerCount < prefetchLimit);
    if (!wasOpen && gate.open) this.#wakeConsumers();
  }

  #wakeConsumers(): void {
    const { consumers } = this;
    if (this.prefetchLimit === 0 || consumers.size < 2) {
      for (const consumer of consumers.values()) consumer.wake();
      return;
    }
    const inTurn = [...consumers.values()];
    const first = this.#firstWoken++ % inTurn.length;
    for (const consumer of inTurn.slice(first)) consumer.wake();
    for (const consumer of inTurn.slice(0, first)) consumer.wake();
  }

  congested(): void {
    this.gate.open = false;
  }

  relieved(): void {
    this.updateGate();
    const onRelief = this.#onRelief;
    this.#onRelief = null;
    onRelief?.();
  }

  /** Keeps the frames to come until `resume`: what they ask must be answered after what is being waited for. */
  hold(): void {
    this.held ??= new DeferredFrames(this.connection);
    this.held.isWaiting = true;
  }

  /** What was waited for is done. The frames that came meanwhile have their turn, until one has to wait again. */
  resume(): void {
    const { held } = this;
    if (held === null || !held.isWaiting) return;
    held.isWaiting = false;
    while (!held.isWaiting && this.state === 'open') {
      const frame = held.take();
      if (frame === undefined) {
        this.held = null;
        return;
      }
      this.connection.replay(this, frame);
    }
  }

  /** Answers when the change of metadata that was just made, if any, is durable. */
  sendWhenDurable(method: Method | null): void {
    if (method === null) return;
    const block = this.broker.metadataBlock;
    if (this.broker.isDurable(block)) {
      this.send(method);
      return;
    }
    this.hold();
    this.broker.whenDurable(block, {
      onDurable: () => {
        if (this.state !== 'open') return;
        this.send(method);
        this.resume();
      },
    });
  }

  /** Gives everything back to the broker. What can be confirmed is, before whatever the caller sends next. */
  release(state: 'closing' | 'closed'): void {
    if (this.state === 'open') {
      this.confirms?.close();
      this.transaction?.rollback();
      this.congested();
      this.held?.drop();
      this.held = null;
      this.#onRelief = null;
      // Set now, because cancelling the last consumer may delete queues, and with them other consumers of ours.
      this.state = state;
      this.cancelReplies();
      for (const consumer of this.consumers.values()) this.cancel(consumer);
      this.unacknowledged.requeueAll();
      this.publishing.release();
    }
    this.state = state;
  }
}
