import type { Work } from '../../base/turn-time.ts';
import type { Broker } from '../../broker/broker.ts';
import type { ObjectAccount } from '../../broker/budget/object-account.ts';
import type { AnyQueue } from '../../broker/queues/any-queue.ts';
import type { Consumer, Gate } from '../../broker/queues/consumer.ts';
import type { Outcome } from '../../broker/queues/delivery-outcome.ts';
import { Unacknowledged } from '../../broker/queues/unacknowledged.ts';
import type { VirtualHost } from '../../broker/topology/virtual-host.ts';
import { FRAME_METHOD } from '../../wire/amqp091/constants.ts';
import type { Method, MethodName } from '../../wire/amqp091/definitions.ts';
import { methodId, TX_COMMIT } from '../../wire/amqp091/methods.ts';
import { ChannelConsumers, type ConsumingChannel } from './channel-consumers.ts';
import type { ChannelState, ConnectionContext, DirectReplyTo, HandlerContext } from './channel-context.ts';
import type { ClientCapabilities } from './connection/capabilities.ts';
import type { ConnectionEvents } from './connection/connection-events.ts';
import type { Output } from './connection/output.ts';
import { type DeferredFrame, DeferredFrames } from './deferred-frames.ts';
import { DeliveryWindows } from './deliver/delivery-window.ts';
import { AmqpError, type CloseReason } from './errors.ts';
import type { Settings } from './options.ts';
import { Publishing } from './publish/publish.ts';
import type { PublisherConfirms } from './publish/publisher-confirms.ts';
import type { RouteCache } from './publish/route-cache.ts';
import type { TxChannel } from './publish/tx-channel.ts';

/** What a channel itself uses of its connection. `Connection` implements it. */
export interface ChannelOwner extends ConnectionContext {
  readonly broker: Broker;
  readonly vhost: VirtualHost<AnyQueue>;
  readonly output: Output;
  /** As agreed to in tune-ok. */
  readonly frameMax: number;
  readonly settings: Settings;
  readonly routes: RouteCache;
  readonly capabilities: ClientCapabilities;
  readonly events: ConnectionEvents;
  /** A deferred frame has its turn. */
  replay(channel: Channel, frame: DeferredFrame): void;
  /** A request of the channel has failed. */
  fail(error: unknown, channel: Channel, method: number): void;
  /** Ends the channel from our side, for a reason that no request of the client gave. */
  closeChannel(channel: Channel, reason: CloseReason): void;
  /** The client closed the channel. */
  channelClosed(channel: Channel): void;
}

/** What all consumers of a channel deliver through. */
class ChannelGate implements Gate {
  open: boolean;
  readonly #channel: Channel;

  constructor(channel: Channel, open: boolean) {
    this.open = open;
    this.#channel = channel;
  }

  room(): number {
    return this.#channel.room;
  }
}

const noop = (): void => undefined;

/** One channel: its modes and unacknowledged deliveries, and the gate that its consumers deliver through. */
export class Channel implements HandlerContext, ConsumingChannel {
  readonly number: number;
  readonly connection: ChannelOwner;
  readonly broker: Broker;
  readonly vhost: VirtualHost<AnyQueue>;
  readonly output: Output;
  readonly frameMax: number;
  readonly settings: Settings;
  readonly routes: RouteCache;
  readonly unacknowledged = new Unacknowledged();
  readonly windows: DeliveryWindows;
  readonly publishing: Publishing;
  readonly consumers: ChannelConsumers;
  /** Of all consumers, those with no-ack too: as in RabbitMQ, `prefetchLimit` stops them as well. */
  readonly gate: Gate;
  state: ChannelState = 'open';
  confirms: PublisherConfirms | null = null;
  tx: TxChannel | null = null;
  /** Of the user: its channels and consumers count. */
  readonly account: ObjectAccount | null;
  prefetchPerConsumer = 0;
  prefetchLimit = 0;
  lastQueue = '';
  /** Frames that came while an earlier one waits for its answer; null when there is nothing to wait for. */
  deferred: DeferredFrames | null = null;
  /** channel.flow. */
  #isFlowing = true;
  /** Modulo the consumers: each is woken first in turn, as the first may take all of `prefetchLimit`. */
  #firstWoken = 0;
  /** A frame waits until publishers are not blocked any more. */
  #isHeld = false;
  /** A basic.get that waits until the output is not congested any more. */
  #onRelief: (() => void) | null = null;
  #afterAnswer: (() => void)[] | null = null;
  /** Of a method that has not ended: see `runInSteps`. */
  #unfinished: Promise<unknown> | null = null;

  constructor(number: number, connection: ChannelOwner) {
    this.number = number;
    this.connection = connection;
    this.broker = connection.broker;
    this.account = connection.broker.quotas.account(connection.user);
    this.vhost = connection.vhost;
    this.output = connection.output;
    this.frameMax = connection.frameMax;
    this.settings = connection.settings;
    this.routes = connection.routes;
    this.publishing = new Publishing(this);
    this.windows = new DeliveryWindows(this, connection.broker.shard.scheduler);
    this.gate = new ChannelGate(this, !connection.output.isCongested);
    this.consumers = new ChannelConsumers(this);
  }

  send(method: Method): void {
    this.output.method(this.number, method);
  }

  queueName(name: string): string {
    if (name !== '') return name;
    if (this.lastQueue === '') throw new AmqpError('NOT_FOUND', 'no previously declared queue');
    return this.lastQueue;
  }

  get directReplyTo(): DirectReplyTo | null {
    return this.consumers.directReplyTo;
  }

  consumerCancelled(consumer: Consumer): void {
    this.consumers.cancelled(consumer);
  }

  /** It is open (1), or its number is free again (-1). */
  counted(difference: 1 | -1): void {
    this.broker.quotas.change('channels', this.account, this.vhost.name, difference);
  }

  ack(tag: number, multiple: boolean): void {
    this.#settle(tag, multiple, 'ack');
  }

  reject(tag: number, requeue: boolean): void {
    this.#settle(tag, false, requeue ? 'requeue' : 'drop');
  }

  nack(tag: number, multiple: boolean, requeue: boolean): void {
    this.#settle(tag, multiple, requeue ? 'return' : 'drop');
  }

  #settle(tag: number, multiple: boolean, kind: Outcome): void {
    const { unacknowledged, tx } = this;
    this.windows.acknowledgements++;
    if (tx !== null) {
      if (!unacknowledged.has(tag, multiple) || (tag > 0 && tx.hasAcknowledged(tag))) this.#failTag(tag);
      // Tag 0 means all deliveries until now, and not those until the commit (AMQP 1.8.3.13).
      else if (tag > 0) tx.acknowledge(tag, multiple, kind);
      else if (unacknowledged.count > 0) tx.acknowledge(unacknowledged.nextTag - 1, multiple, kind);
      return;
    }
    if (multiple && unacknowledged.isLong(tag)) {
      this.#settleInSteps(tag, kind);
      return;
    }
    const count = unacknowledged.settle(tag, multiple, kind);
    if (count < 0) this.#failTag(tag);
    else if (multiple) this.windows.settled(count, this.consumers.values());
    if (!this.gate.open) this.updateGate();
  }

  #settleInSteps(tag: number, kind: Outcome): void {
    const { unacknowledged } = this;
    if (!unacknowledged.has(tag, true)) {
      this.#failTag(tag);
      return;
    }
    const last = tag === 0 ? unacknowledged.nextTag - 1 : tag;
    const steps =
      kind === 'ack' || kind === 'drop'
        ? unacknowledged.settleInSteps(last, kind === 'drop')
        : unacknowledged.requeueInSteps(last, kind === 'return' ? 'returned' : 'rejected');
    this.runInSteps(kind === 'ack' ? 'basic.ack' : 'basic.nack', steps, (count) => {
      this.windows.settled(count, this.consumers.values());
      this.updateGate();
    });
  }

  #failTag(tag: number): void {
    if (this.consumers.ackTimeouts.isForgiven(tag)) return;
    throw new AmqpError('PRECONDITION_FAILED', `unknown delivery tag ${tag}`);
  }

  /** Messages of basic.get do not count. */
  checkPrefetch(): void {
    if (this.unacknowledged.consumerCount >= this.prefetchLimit) this.gate.open = false;
  }

  /** How many messages its consumers may have before one is settled. */
  get room(): number {
    if (!this.#isFlowing || this.state !== 'open') return 0;
    const { prefetchLimit, unacknowledged } = this;
    if (prefetchLimit === 0) return Number.POSITIVE_INFINITY;
    return Math.max(0, prefetchLimit - unacknowledged.consumerCount);
  }

  setFlow(active: boolean): void {
    this.#isFlowing = active;
    this.updateGate();
  }

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

  whenRelieved(action: () => void): void {
    if (this.output.isCongested) this.#onRelief = action;
    else action();
  }

  /** Whether the client waits for an answer that was not given yet. */
  get isAnswering(): boolean {
    return this.deferred?.isWaiting === true && !this.#isHeld;
  }

  holdFrame(type: number, bytes: Buffer, start: number, end: number): void {
    const { deferred } = this;
    // One that was deferred before goes back to its place.
    if (deferred !== null && !deferred.isWaiting) {
      deferred.putBack();
    } else {
      this.deferFrames();
      (this.deferred as DeferredFrames | null)?.add(type, bytes, start, end);
    }
    this.#isHeld = true;
    if (!this.connection.hasPublished) this.connection.publishedFirst();
  }

  /**
   * Whether this method, of this id, waits: a tx.commit with messages does while publishers are blocked, as they do, and one with parts
   * for other shards until there is room for them.
   */
  holdsCommit(method: number, bytes: Buffer, start: number, end: number): boolean {
    const { tx } = this;
    if (method !== TX_COMMIT || tx === null) return false;
    const isBlocked = tx.hasPublished && this.broker.shard.alarms.isBlocking;
    if (!isBlocked && !tx.mustWait(() => this.unblocked())) return false;
    this.holdFrame(FRAME_METHOD, bytes, start, end);
    return true;
  }

  /** Resource alarms came or went: what was held goes on if none is left. */
  unblocked(): void {
    if (!this.#isHeld || this.broker.shard.alarms.isBlocking) return;
    this.#isHeld = false;
    this.resume();
  }

  deferFrames(): void {
    this.deferred ??= new DeferredFrames(this.connection);
    this.deferred.isWaiting = true;
  }

  /** The deferred frames have their turn, until one has to wait again. */
  resume(): void {
    if (this.deferred === null || !this.deferred.isWaiting) return;
    this.deferred.isWaiting = false;
    this.#answered();
    this.#replayDeferred();
  }

  afterAnswer(run: () => void): void {
    if (!this.isAnswering) {
      run();
      return;
    }
    this.#afterAnswer ??= [];
    this.#afterAnswer.push(run);
  }

  #answered(): void {
    const waiting = this.#afterAnswer;
    if (waiting === null || this.isAnswering) return;
    this.#afterAnswer = null;
    for (const run of waiting) run();
  }

  #replayDeferred(): void {
    const { deferred } = this;
    if (deferred === null) return;
    while (!deferred.isWaiting && this.state === 'open') {
      const frame = deferred.take();
      if (frame === undefined) {
        this.deferred = null;
        return;
      }
      this.connection.replay(this, frame);
    }
  }

  runInSteps<T>(
    request: MethodName,
    steps: Work<T>,
    done: (result: T) => void,
    undo?: (result: T) => void,
  ): void {
    const owner = { protocol: 'AMQP', request, user: this.connection.user };
    const { shard, events } = this.broker;
    const work = events.inSteps(owner.user, steps);
    const result = shard.turnTime.run(work, owner);
    if (!(result instanceof Promise)) {
      done(result);
      return;
    }
    this.#unfinished = result.then(noop, noop);
    this.deferFrames();
    result.then(
      (value) => {
        this.#unfinished = null;
        if (this.state !== 'open') {
          undo?.(value);
          return;
        }
        // The answer may have to wait for something else.
        if (this.deferred !== null) this.deferred.isWaiting = false;
        done(value);
        this.#answered();
        this.#replayDeferred();
      },
      (error) => {
        this.#unfinished = null;
        if (this.state !== 'open') return;
        this.fail(error, methodId(request));
      },
    );
  }

  sendWhenDurable(method: Method | null): void {
    if (method === null) return;
    if (this.broker.isMetadataSafe) {
      this.send(method);
      return;
    }
    this.deferFrames();
    this.broker.whenMetadataIsSafe(() => {
      if (this.state !== 'open') return;
      this.send(method);
      this.resume();
    });
  }

  fail(error: unknown, method: number): void {
    this.connection.fail(error, this, method);
  }

  close(reason: CloseReason): void {
    this.connection.closeChannel(this, reason);
  }

  closedByClient(): void {
    this.connection.channelClosed(this);
  }

  /**
   * Ends what the channel has at the broker. Confirms that are due are written in the first step, before what the caller
   * sends next. What was acknowledged before is so, however long that takes; the rest goes back.
   */
  *releaseInSteps(state: 'closing' | 'closed'): Work<void> {
    const isOpen = this.state === 'open';
    this.#end(state);
    if (!isOpen) return;
    // They get nothing meanwhile: the gate is closed.
    for (const consumer of this.consumers.values()) {
      this.consumers.cancel(consumer);
      yield;
    }
    if (this.#unfinished !== null) yield this.#unfinished;
    yield* this.unacknowledged.requeueInSteps(this.unacknowledged.nextTag - 1, 'lost');
  }

  #end(state: 'closing' | 'closed'): void {
    if (this.state === 'open') {
      this.confirms?.close();
      this.tx?.rollback();
      this.congested();
      this.deferred?.drop();
      this.deferred = null;
      this.#onRelief = null;
      this.#isHeld = false;
      this.consumers.cancelDirectReplyTo();
      this.publishing.release();
    }
    this.state = state;
  }
}
