import type { Table } from '../../base/value.ts';
import type { CorruptionError } from '../../log/corruption.ts';
import type { Chunk, ChunkStore } from '../../log/memory/chunks.ts';
import type { QueueLog } from '../../log/queues/queue-log.ts';
import { BrokerError } from '../errors.ts';
import type { Pumped, Turn } from '../shard/turn.ts';
import type { QueueSpec, TopologyQueue } from '../topology/ports.ts';
import { Consumer, type ConsumerRequest } from './consumer.ts';
import { ConsumerPriorities } from './consumer-priorities.ts';
import { Deduplicator } from './deduplication.ts';
import { Chores } from './length-limit.ts';
import { Ledger } from './message-ledger.ts';
import type { Getter, QueueDeps } from './ports.ts';
import { type Amount, amountInMemory, bodyBytesAt, PriorityLevel } from './priority-level.ts';
import { QueueExpiry } from './queue-expiry.ts';
import { type QueueSettings, settingsFromArguments } from './queue-settings.ts';

/** How many messages one queue hands out before others get their turn. */
const PUMP_MESSAGES_MAX = 16384;
/** What one that expired counts beside: to send it elsewhere takes longer. */
const DISCARD_COST = 63;

/** Competing consumers over one log, or over one for each priority (`lane.ts`). */
export class Queue implements TopologyQueue, Pumped {
  readonly id: number;
  readonly vhost: string;
  readonly name: string;
  readonly durable: boolean;
  readonly exclusiveOwner: object | null;
  readonly autoDelete: boolean;
  readonly arguments: Table;
  readonly base: PriorityLevel;
  readonly ledger = new Ledger();
  readonly consumers = new ConsumerPriorities();
  settings: QueueSettings;
  readyCount = 0;
  /** Bytes of the bodies of the ready messages. */
  readyBytes = 0;
  unacknowledgedCount = 0;
  pumpPending = false;
  isRemoved = false;
  /** Whether a message may be refused, or swallowed as a duplicate: see `guard.ts`. */
  isGuarded = false;
  /** Set when a message could not be read: nothing more is delivered, but what is published is kept. */
  damage: CorruptionError | null = null;
  /** The highest priority first. */
  readonly lanes: PriorityLevel[];
  /** What the queue has seen lately, if it takes each message once. */
  deduplicator: Deduplicator | null = null;
  readonly #chores: Chores;
  readonly #idle: QueueExpiry;
  #getters: { readonly getter: Getter; readonly noAck: boolean }[] = [];
  readonly #turn: Turn;
  readonly #chunks: ChunkStore;
  readonly #deps: QueueDeps;

  constructor(spec: QueueSpec, deps: QueueDeps) {
    this.id = deps.id;
    this.vhost = spec.vhost;
    this.name = spec.name;
    this.durable = spec.durable;
    this.exclusiveOwner = spec.exclusiveOwner;
    this.autoDelete = spec.autoDelete;
    this.arguments = spec.arguments;
    this.#deps = deps;
    this.#turn = deps.turn;
    this.#chunks = deps.chunks;
    this.#chores = new Chores(this, deps);
    this.#idle = new QueueExpiry(deps.clock, deps.scheduler, () => {
      if (!this.isRemoved && this.consumerCount === 0) deps.onIdle(this);
    });
    this.settings = settingsFromArguments(spec.arguments);
    this.base = this.#openLane(deps.id, 0);
    this.lanes = [this.base];
    this.configure(this.settings);
  }

  get consumerCount(): number {
    return this.consumers.all.length;
  }

  /** That of the messages without priority. */
  get log(): QueueLog {
    return this.base.log;
  }

  /** Messages that are on their way to where dead letters go. */
  get leavingCount(): number {
    return this.#chores.leavingCount;
  }

  /** Messages that failed, and wait for their next attempt. */
  get retryingCount(): number {
    return this.#chores.retryingCount;
  }

  /** Every message is accounted for: see `ledger.ts`. */
  get isBalanced(): boolean {
    const here = this.readyCount + this.unacknowledgedCount + this.leavingCount + this.retryingCount;
    return this.ledger.begun === this.ledger.ended + here;
  }

  /** What the queue does with its messages is this from now on, also for those that it has. */
  configure(settings: QueueSettings): void {
    this.settings = settings;
    const { maxLength, maxLengthBytes, overflow, deduplication } = settings;
    const hasLimit = maxLength !== null || maxLengthBytes !== null;
    this.isGuarded = (hasLimit && overflow !== 'drop-head') || deduplication !== null;
    this.consumers.isSingle = settings.singleActiveConsumer;
    if (deduplication === null) this.deduplicator = null;
    else if (this.deduplicator === null) this.deduplicator = new Deduplicator(deduplication);
    else this.deduplicator.configure(deduplication);
    for (const lane of this.lanes) this.#countFailures(lane);
    this.#chores.configure();
    this.#idle.configure(settings.expiresMs, this.consumerCount > 0);
    if (this.readyCount > 0) this.pumpLater();
  }

  /** Called once the logs are recovered. `before`: what was ready at the last snapshot, if that is known. */
  recovered(deliveredBelow: (lane: PriorityLevel) => number, before: Amount | null): void {
    for (const lane of this.lanes) {
      lane.recovered(deliveredBelow(lane));
      this.readyCount += lane.readyCount;
    }
    this.touch();
    this.ledger.recovered = this.readyCount;
    this.readyBytes = this.#recoveredBytes(before);
    // What is in segments may well have been published with a limit: it is looked at when it is delivered.
    if (this.readyCount === 0) return;
    this.messagesExpire();
    this.pumpLater();
  }

  /** Exact for what is in memory, and for all of it after an orderly stop; by the average for the rest. */
  #recoveredBytes(before: Amount | null): number {
    let count = 0;
    let bytes = 0;
    for (const lane of this.lanes) {
      const inMemory = amountInMemory(lane, this.#chunks);
      count += inMemory.count;
      bytes += inMemory.bytes;
    }
    const stored = this.readyCount - count;
    if (stored === 0 || before === null) return bytes;
    const estimate =
      before.count === this.readyCount ? before.bytes : bytes + (stored * before.bytes) / before.count;
    // It was within its limit: too high an estimate would have it drop what it may keep.
    return Math.max(bytes, Math.min(estimate, this.settings.maxLengthBytes ?? estimate));
  }

  /** The log that a message of this priority goes to. */
  laneFor(priority: number): PriorityLevel {
    const { maxPriority } = this.settings;
    const level = priority < maxPriority ? priority : maxPriority;
    if (level === 0) return this.base;
    const known = this.lanes.find((lane) => lane.priority === level);
    return known ?? this.addLane(level, this.#deps.newLaneId(this, level));
  }

  /** One more log, for the messages of this priority. At recovery the id is known. */
  addLane(priority: number, id: number): PriorityLevel {
    const lane = this.#openLane(id, priority);
    this.lanes.push(lane);
    this.lanes.sort((a, b) => b.priority - a.priority);
    return lane;
  }

  /** From the lane: a message was appended to it. */
  published(bodyBytes: number): void {
    this.readyCount++;
    this.readyBytes += bodyBytes;
    this.ledger.routed++;
    if (!this.pumpPending) this.#turn.pumpLater(this);
  }

  /** From now on there are messages that say themselves how long they may wait. */
  messagesExpire(): void {
    this.#chores.messagesExpire();
  }

  /** Whether a message of this size may be added, and others that come with it, where a full queue refuses. */
  hasRoomFor(bodyBytes: number, otherMessages = 0, otherBytes = 0): boolean {
    const { maxLength, maxLengthBytes, overflow } = this.settings;
    if (overflow === 'drop-head') return true;
    const fits = (): boolean =>
      (maxLength === null || this.readyCount + otherMessages < maxLength) &&
      (maxLengthBytes === null || this.readyBytes + otherBytes + bodyBytes <= maxLengthBytes);
    if (fits()) return true;
    // What came in this turn may be for consumers that wait for it.
    if (this.pumpPending) this.pump();
    return fits();
  }

  wake(): void {
    if (this.readyCount > 0 && !this.pumpPending && !this.isRemoved) this.#turn.pumpLater(this);
  }

  /**
   * @throws BrokerError access-refused, if somebody else is there exclusively or this one wants to be;
   *     precondition-failed, if the queue is damaged
   */
  addConsumer(request: ConsumerRequest): Consumer {
    this.assertReadable();
    const { all } = this.consumers;
    const refused = request.exclusive
      ? all.length > 0 || this.consumers.isSingle
      : all.some((consumer) => consumer.exclusive);
    if (refused) {
      throw new BrokerError(
        'access-refused',
        `queue '${this.name}' in vhost '${this.vhost}' in exclusive use`,
      );
    }
    this.#catchUp();
    const consumer = new Consumer(this, request);
    this.consumers.add(consumer);
    this.touch();
    this.wake();
    return consumer;
  }

  removeConsumer(consumer: Consumer): void {
    consumer.isActive = false;
    if (!this.consumers.remove(consumer)) return;
    this.touch();
    // Somebody else may be the single active one now.
    this.wake();
    if (this.autoDelete && this.consumerCount === 0 && !this.isRemoved) this.#deps.onUnused(this);
  }

  /** The queue was used: it does not expire for a while. */
  touch(): void {
    this.#idle.touch(this.consumerCount > 0);
  }

  /** One message for somebody who asks; answered at once, or when the message was read from disk. */
  get(noAck: boolean, getter: Getter): void {
    this.touch();
    this.#catchUp();
    if (this.damage !== null || this.readyCount === 0 || this.topLane() === null) {
      getter.empty();
      return;
    }
    this.#getters.push({ getter, noAck });
    this.pump();
  }

  /** Hands out what it can, then looks after everything else. */
  pump(): void {
    if (this.damage !== null || this.isRemoved) return;
    if (!this.#handOut()) {
      this.#turn.pumpLater(this);
      return;
    }
    // After a restart it was perhaps an estimate.
    if (this.readyCount === 0) this.readyBytes = 0;
    if (this.#chores.isNeeded) this.#chores.do();
  }

  /** The consumer is done with the message. */
  settleDelivered(lane: PriorityLevel, offset: number, publishedMs: number): void {
    if (this.isRemoved) return;
    this.unacknowledgedCount--;
    this.ledger.acknowledged++;
    this.ledger.publishToAck.record(this.#turn.nowMs - publishedMs);
    if (lane.failures !== null) lane.failures.delete(offset);
    lane.log.settle(offset);
    if (lane.log.durable) this.#turn.schedule();
  }

  /** The consumer does not want it, and nobody else is to get it from here. */
  reject(lane: PriorityLevel, offset: number): void {
    if (this.isRemoved) return;
    this.unacknowledgedCount--;
    this.#chores.discard(lane, offset, 'rejected');
  }

  /**
   * The consumer did not process the message: it goes back to its place. `failed`: it said so itself, and was not just
   * gone.
   */
  requeue(lane: PriorityLevel, offset: number, bodyBytes: number, failed: boolean): void {
    if (this.isRemoved) return;
    this.unacknowledgedCount--;
    if (lane.failures !== null && this.#chores.failed(lane, offset, bodyBytes, failed)) return;
    this.giveBack(lane, offset, bodyBytes);
  }

  /** How often the message failed at a consumer; 0 where that is not counted. */
  failuresOf(lane: PriorityLevel, offset: number): number {
    return lane.failures?.get(offset) ?? 0;
  }

  /** Removes what is ready; returns how many messages that were. */
  purge(): number {
    const count = this.readyCount;
    for (const lane of this.lanes) lane.purge();
    this.readyCount = 0;
    this.readyBytes = 0;
    // Otherwise the queue would come upon the damage again, for dead letters that nobody can purge.
    if (this.damage !== null) this.ledger.lost += this.#chores.giveUp();
    this.damage = null;
    this.ledger.purged += count;
    if (this.log.durable) this.#turn.schedule();
    return count;
  }

  /** From the topology: the queue was deleted. Returns the number of messages that were ready. */
  remove(): number {
    const count = this.readyCount;
    this.isRemoved = true;
    this.#cancelConsumers();
    this.#answerEmpty();
    this.readyCount = 0;
    this.unacknowledgedCount = 0;
    this.stop();
    for (const lane of this.lanes) {
      lane.cursor.returned.clear();
      this.#deps.removeLog(lane.log);
    }
    return count;
  }

  /** No timer rings any more. */
  stop(): void {
    this.#chores.stop();
    this.#idle.stop();
  }

  /** @throws BrokerError precondition-failed, if the queue is damaged */
  assertReadable(): void {
    if (this.damage === null) return;
    throw new BrokerError(
      'precondition-failed',
      `queue '${this.name}' in vhost '${this.vhost}' delivers nothing: ${this.damage.message}`,
    );
  }

  #openLane(id: number, priority: number): PriorityLevel {
    const log = this.#deps.openLog(id, this.durable && this.exclusiveOwner === null, {
      onLoaded: () => this.pumpLater(),
      onMissing: (offset) => this.#lose(lane, offset),
      onCorruption: (error) => this.#stopFor(error),
    });
    const lane = new PriorityLevel(this, priority, log);
    this.#countFailures(lane);
    return lane;
  }

  #countFailures(lane: PriorityLevel): void {
    const { countsDeliveries, retry } = this.settings;
    if (countsDeliveries || retry !== null) lane.cursor.failures ??= new Map();
    else lane.cursor.failures = null;
  }

  /** Before somebody new may take messages: what came in this turn is for who waited already, or expired and limited. */
  #catchUp(): void {
    if (this.pumpPending && (this.#chores.isNeeded || this.consumerCount > 0)) this.pump();
  }

  /** There is something to do. */
  pumpLater(): void {
    if (!this.isRemoved) this.#turn.pumpLater(this);
  }

  #stopFor(error: CorruptionError): void {
    this.damage = error;
    this.#deps.onCorruption(this, error);
    this.#cancelConsumers();
    this.#answerEmpty();
  }

  /** Without consequences: an auto-delete queue stays. */
  #cancelConsumers(): void {
    for (const consumer of this.consumers.clear()) {
      consumer.isActive = false;
      consumer.sink.cancelled(consumer);
    }
  }

  /** The lane with the next message to deliver; null if none has one that may go out. */
  topLane(): PriorityLevel | null {
    const { lanes } = this;
    for (let i = 0; i < lanes.length; i++) {
      const lane = lanes[i] as PriorityLevel;
      if (lane.readyCount > 0 && lane.peek() < lane.heldFrom) return lane;
    }
    return null;
  }

  /** Stops where the next message is not in memory, or nobody can take it. False if there is more to hand out. */
  #handOut(): boolean {
    let budget = PUMP_MESSAGES_MAX;
    const { consumers, lanes } = this;
    const chores = this.#chores;
    while (this.readyCount > 0) {
      const isAsked = this.#getters.length > 0;
      const consumer = isAsked ? null : consumers.next();
      if (!isAsked && consumer === null) return true;
      const lane = lanes.length === 1 ? this.base : this.topLane();
      if (lane === null) break;
      const offset = lane.peek();
      if (offset >= lane.heldFrom) break;
      const position = lane.log.positionOf(offset);
      if (position < 0) {
        lane.log.readAhead?.load(offset);
        return true;
      }
      if (budget-- === 0) return false;
      const chunk = this.#chunks.of(position);
      const at = position >>> 0;
      if (chores.isNeeded && offset < lane.freshFrom && chores.isExpired(chunk, at)) {
        budget = Math.max(0, budget - DISCARD_COST);
        chores.discardReady(lane, offset, bodyBytesAt(chunk, at), 'expired');
      } else if (consumer === null) {
        this.#answerGetter(lane, offset, chunk, at);
      } else {
        this.#deliver(consumer, lane, offset, chunk, at);
      }
    }
    this.#answerEmpty();
    return true;
  }

  #deliver(consumer: Consumer, lane: PriorityLevel, offset: number, chunk: Chunk, at: number): void {
    const redelivered = this.#take(lane, offset);
    const publishedMs = chunk.f64[at >>> 3] as number;
    this.ledger.publishToDeliver.record(this.#turn.nowMs - publishedMs);
    consumer.credit--;
    this.unacknowledgedCount++;
    // The sink copies the message before anything can free its memory.
    this.readyBytes -= consumer.sink.deliver(consumer, lane, offset, chunk, at, redelivered);
    if (offset < lane.log.tailStart) lane.log.readAhead?.release(offset);
    if (consumer.noAck) this.#settleAtOnce(lane, offset);
  }

  #answerGetter(lane: PriorityLevel, offset: number, chunk: Chunk, at: number): void {
    const { getter, noAck } = this.#getters.shift() as { getter: Getter; noAck: boolean };
    const redelivered = this.#take(lane, offset);
    this.unacknowledgedCount++;
    this.ledger.publishToDeliver.record(this.#turn.nowMs - (chunk.f64[at >>> 3] as number));
    this.readyBytes -= getter.message(lane, offset, chunk, at, redelivered, this.readyCount);
    if (offset < lane.log.tailStart) lane.log.readAhead?.release(offset);
    if (noAck) this.#settleAtOnce(lane, offset);
  }

  /** The message leaves the ready ones. True if it was handed out before. */
  #take(lane: PriorityLevel, offset: number): boolean {
    this.readyCount--;
    this.ledger.delivered++;
    const redelivered = lane.take(offset);
    if (redelivered) this.ledger.redelivered++;
    return redelivered;
  }

  #settleAtOnce(lane: PriorityLevel, offset: number): void {
    // The delivery may have led to the end of the queue.
    if (this.isRemoved) return;
    this.unacknowledgedCount--;
    this.ledger.acknowledged++;
    lane.settle(offset);
    if (lane.log.durable) this.#turn.schedule();
  }

  #answerEmpty(): void {
    if (this.#getters.length === 0) return;
    const getters = this.#getters;
    this.#getters = [];
    for (const { getter } of getters) getter.empty();
  }

  /** The message is ready again, at its old place. */
  giveBack(lane: PriorityLevel, offset: number, bodyBytes: number): void {
    lane.giveBack(offset);
    this.readyCount++;
    this.readyBytes += bodyBytes;
    this.wake();
  }

  /** A message that should be in a segment is not: its damaged batch was cut off. */
  #lose(lane: PriorityLevel, offset: number): void {
    if (this.isRemoved) return;
    if (this.#chores.forget(lane, offset)) {
      lane.log.settle(offset);
      this.ledger.lost++;
    } else if (lane.lose(offset)) {
      this.readyBytes -= this.readyBytes / this.readyCount;
      this.readyCount--;
      this.ledger.lost++;
    }
  }
}
