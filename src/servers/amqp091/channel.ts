import { randomBytes } from 'node:crypto';
import type { Broker } from '../../broker/broker.ts';
import type { Consumer, Gate } from '../../broker/consumer.ts';
import type { Queue } from '../../broker/queue.ts';
import type { VirtualHost } from '../../broker/topology/virtual-host.ts';
import { Unacked } from '../../broker/unacked.ts';
import type { Method, MethodOf } from '../../wire/amqp091/definitions.ts';
import type { ChannelTransaction } from './channel-transaction.ts';
import type { Confirms } from './confirms.ts';
import type { Connection } from './connection.ts';
import { Delivery, GetAnswer } from './delivery.ts';
import { AmqpError } from './errors.ts';
import { HeldFrames } from './held-frames.ts';
import type { Settings } from './options.ts';
import type { Output } from './output.ts';
import { Publishing } from './publish.ts';
import type { RouteCache } from './route-cache.ts';

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
  readonly unacked = new Unacked();
  readonly publishing: Publishing;
  readonly consumers = new Map<string, Consumer>();
  /** For consumers that acknowledge, and those that do not: a limit of unacknowledged messages is none to these. */
  readonly gate: Gate;
  readonly noAckGate: Gate;
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
  held: HeldFrames | null = null;
  #isFlowing = true;
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
    this.noAckGate = { open: this.gate.open };
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
  consume(queue: Queue, method: MethodOf<'basic.consume'>): void {
    const tag =
      method.consumerTag === '' ? `amq.ctag-${randomBytes(16).toString('base64url')}` : method.consumerTag;
    if (this.consumers.has(tag)) throw new AmqpError('NOT_ALLOWED', `attempt to reuse consumer tag '${tag}'`);
    const limited = this.prefetchPerConsumer > 0;
    const consumer = queue.addConsumer({
      tag,
      sink: new Delivery(this, tag),
      gate: method.noAck ? this.noAckGate : this.gate,
      credit: limited ? this.prefetchPerConsumer : Number.POSITIVE_INFINITY,
      noAck: method.noAck,
      exclusive: method.exclusive,
      arguments: method.arguments,
    });
    this.consumers.set(tag, consumer);
    this.connection.events.consumerCreated(this, consumer);
    if (!method.noWait) this.send({ name: 'basic.consume-ok', consumerTag: tag });
  }

  cancel(consumer: Consumer): void {
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
    this.unacked.requeueAll();
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
    const { unacked, transaction } = this;
    if (transaction !== null) {
      if (!unacked.has(tag, multiple)) failTag(tag);
      transaction.acknowledge(tag, multiple, kind);
      return;
    }
    const count =
      kind === 'ack' ? unacked.ack(tag, multiple) : unacked.reject(tag, multiple, kind === 'requeue');
    if (count < 0) failTag(tag);
    if (!this.gate.open) this.updateGate();
  }

  /** To be called after each delivery on a channel with a limit. */
  checkPrefetch(): void {
    if (this.unacked.count >= this.prefetchLimit) this.gate.open = false;
  }

  setFlow(active: boolean): void {
    this.#isFlowing = active;
    this.updateGate();
  }

  /** Deliveries go on if nothing stands in their way any more. */
  updateGate(): void {
    const { gate, noAckGate } = this;
    const wasOpen = gate.open && noAckGate.open;
    noAckGate.open = this.state === 'open' && this.#isFlowing && !this.output.isCongested;
    gate.open = noAckGate.open && (this.prefetchLimit === 0 || this.unacked.count < this.prefetchLimit);
    if (wasOpen || !noAckGate.open) return;
    for (const consumer of this.consumers.values()) consumer.wake();
  }

  congested(): void {
    this.gate.open = false;
    this.noAckGate.open = false;
  }

  relieved(): void {
    this.updateGate();
    const onRelief = this.#onRelief;
    this.#onRelief = null;
    onRelief?.();
  }

  /** Keeps the frames to come until `resume`: what they ask must be answered after what is being waited for. */
  hold(): void {
    this.held ??= new HeldFrames(this.connection);
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
      for (const consumer of this.consumers.values()) this.cancel(consumer);
      this.unacked.requeueAll();
      this.publishing.release();
    }
    this.state = state;
  }
}

function failTag(tag: number): never {
  throw new AmqpError('PRECONDITION_FAILED', `unknown delivery tag ${tag}`);
}
