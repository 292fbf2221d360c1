import type { Work } from '../../base/turn-time.ts';
import type { Broker } from '../../broker/broker.ts';
import type { MessageTracer } from '../../broker/connections/message-tracer.ts';
import type { AnyQueue } from '../../broker/queues/any-queue.ts';
import type { Consumer, Gate } from '../../broker/queues/consumer.ts';
import type { Unacknowledged } from '../../broker/queues/unacknowledged.ts';
import type { VirtualHost } from '../../broker/topology/virtual-host.ts';
import type { Method, MethodName } from '../../wire/amqp091/definitions.ts';
import type { HeldMemory } from './connection/held-memory.ts';
import type { Output } from './connection/output.ts';
import type { Permissions } from './connection/permissions.ts';
import type { DeliveryWindows } from './deliver/delivery-window.ts';
import type { CloseReason } from './errors.ts';
import type { Settings } from './options.ts';
import type { PublisherConfirms } from './publish/publisher-confirms.ts';
import type { RouteCache } from './publish/route-cache.ts';
import type { TxChannel } from './publish/tx-channel.ts';

/**
 * - `open`;
 * - `closing`: we sent channel.close, and ignore everything until close-ok (AMQP 1.5.2.5);
 * - `closed`: the number is free.
 */
export type ChannelState = 'open' | 'closing' | 'closed';

/** What lists and events say of a consumer, be it one of a queue or one of direct reply-to. */
export interface ConsumerDescription
  extends Pick<Consumer, 'tag' | 'noAck' | 'exclusive' | 'prefetch' | 'arguments'> {
  readonly queue: Pick<Consumer['queue'], 'name' | 'vhost'>;
}

/** A channel's consumer of `amq.rabbitmq.reply-to`. */
export interface DirectReplyTo extends ConsumerDescription {
  /** The routing key that replaces the reply-to of its requests. */
  readonly address: string;
  /** Takes the address out of the virtual host. */
  end(): void;
}

/** What publishing, deliveries and handlers use of a channel's connection. `Connection` implements it. */
export interface ConnectionContext {
  readonly user: string;
  readonly permissions: Permissions;
  /** Of the virtual host's message tracing; null while it is off. */
  readonly tracer: MessageTracer | null;
  readonly info: { readonly name: string };
  /** Only publishers are blocked by resource alarms. */
  readonly hasPublished: boolean;
  readonly memory: HeldMemory;
  publishedFirst(): void;
  /** Stops reading the socket, until `resumePublishing` was called as often. */
  pausePublishing(): void;
  resumePublishing(): void;
}

/**
 * What publishing, deliveries and message tracing use of a channel. `Channel` implements it, and nothing else does: the
 * fields that are read for each message are its own.
 */
export interface ChannelContext {
  readonly number: number;
  readonly connection: ConnectionContext;
  readonly broker: Broker;
  readonly vhost: VirtualHost<AnyQueue>;
  readonly output: Output;
  readonly frameMax: number;
  readonly settings: Settings;
  readonly routes: RouteCache;
  readonly unacknowledged: Unacknowledged;
  /** Of its consumers without a prefetch limit. */
  readonly windows: DeliveryWindows;
  readonly state: ChannelState;
  /** Null until confirm.select. */
  readonly confirms: PublisherConfirms | null;
  /** Null until tx.select. */
  readonly tx: TxChannel | null;
  readonly directReplyTo: DirectReplyTo | null;
  /** Unacknowledged messages of the whole channel, set by basic.qos with `global`. 0: no limit. */
  readonly prefetchLimit: number;
  send(method: Method): void;
  /** To be called after each delivery on a channel with a `prefetchLimit`. */
  checkPrefetch(): void;
  /** Keeps this frame, and those to come, until publishers are not blocked any more. */
  holdFrame(type: number, bytes: Buffer, start: number, end: number): void;
  /** What `deferFrames` waited for is done. */
  resume(): void;
  /** Runs this behind the answer that the client waits for, if it waits for one. */
  afterAnswer(run: () => void): void;
  /** A request of the channel, the method of this id, has failed. */
  fail(error: unknown, method: number): void;
  /** The consumer's queue was deleted, or cannot be read any more. */
  consumerCancelled(consumer: Consumer): void;
}

/** What the handlers of methods use of a channel's consumers. */
export interface ConsumersContext {
  readonly size: number;
  get(tag: string): Consumer | undefined;
  values(): Iterable<Consumer>;
  /** The consumer tag that basic.consume asks for, or a new one. @throws AmqpError if it is in use */
  tagFor(requested: string): string;
  /** Before one more consumer. @throws BrokerError limit-reached */
  admit(): void;
  add(consumer: Consumer): void;
  cancel(consumer: Consumer): void;
  setDirectReplyTo(consumer: DirectReplyTo): void;
  cancelDirectReplyTo(): void;
}

/** What the handlers of methods use of a channel, beside that. */
export interface HandlerContext extends ChannelContext {
  readonly consumers: ConsumersContext;
  readonly gate: Gate;
  readonly publishing: { readonly publisher: { isAwaited: boolean } };
  confirms: PublisherConfirms | null;
  tx: TxChannel | null;
  prefetchLimit: number;
  /** Unacknowledged messages of each consumer to come, set by basic.qos without `global`. 0: no limit. */
  prefetchPerConsumer: number;
  /** The queue declared last, for methods that name none. */
  lastQueue: string;
  /** The queue that a method means: an empty name stands for the one declared last (AMQP 1.7.2.3). */
  queueName(name: string): string;
  ack(tag: number, multiple: boolean): void;
  reject(tag: number, requeue: boolean): void;
  nack(tag: number, multiple: boolean, requeue: boolean): void;
  /** Whether the client wants deliveries (channel.flow). */
  setFlow(active: boolean): void;
  /** Deliveries go on if nothing stands in their way any more. */
  updateGate(): void;
  /** Keeps the frames to come until `resume`: what they ask must be answered after what is being waited for. */
  deferFrames(): void;
  /**
   * Runs what may take long; frames of the channel that come meanwhile are deferred. `done` is not called if the channel ends
   * before; `undo` is then, to take back what nobody would.
   */
  runInSteps<T>(
    request: MethodName,
    steps: Work<T>,
    done: (result: T) => void,
    undo?: (result: T) => void,
  ): void;
  /** Calls `action` when the client has read enough of the answers so far: at once, or when the output is relieved. */
  whenRelieved(action: () => void): void;
  /** Answers when the change of metadata that was just made, if any, is durable. Null: no answer is wanted. */
  sendWhenDurable(method: Method | null): void;
  /** Ends the channel for a reason that came up after its method was handled. */
  close(reason: CloseReason): void;
  /** channel.close came. */
  closedByClient(): void;
}

/** Runs the handler of a method on an open channel. */
export type HandleMethod = (channel: HandlerContext, method: Method) => void;
