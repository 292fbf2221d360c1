import { atOnce, type Work, walked } from '../../base/turn-time.ts';
import type { Table } from '../../base/value.ts';
import type { CorruptionError } from '../../log/corruption.ts';
import type { ChunkStore } from '../../log/memory/chunks.ts';
import type { QueueLog } from '../../log/queues/queue-log.ts';
import type { ObjectAccount } from '../budget/object-account.ts';
import { BrokerError } from '../errors.ts';
import type { DeliveryGate } from '../shard/delivery-gate.ts';
import type { Pumped, Turn } from '../shard/turn.ts';
import { Consumer, type ConsumerOwner, type ConsumerRequest } from './consumer.ts';
import { ConsumerPriorities } from './consumer-priorities.ts';
import { Deduplicator } from './deduplication.ts';
import { DeliveryLoop } from './delivery-loop.ts';
import { type Amount, Ledger, QueueDepth } from './message-ledger.ts';
import type { Getter, QueueDeps } from './ports.ts';
import { type LevelDeps, type LevelOwner, PriorityLevel } from './priority-level.ts';
import { PriorityLevels } from './priority-levels.ts';
import { prepareDeletion } from './queue-deletion.ts';
import { QueueExpiry } from './queue-expiry.ts';
import { QueueLimits } from './queue-limits.ts';
import type { QueueCounts, QueueDeletion, QueueSpec, TopologyQueue } from './queue-port.ts';
import { type QueueSettings, settingsFromArguments } from './queue-settings.ts';
import { recoveredBytes } from './recovered-bytes.ts';

/** Competing consumers over one log, or over one for each priority (`priority-level.ts`). */
export class Queue implements TopologyQueue, LevelOwner, ConsumerOwner, Pumped {
  readonly isRemote = false;
  readonly id: number;
  readonly shard: number;
  readonly vhost: string;
  readonly name: string;
  readonly durable: boolean;
  readonly exclusiveOwner: object | null;
  readonly autoDelete: boolean;
  readonly arguments: Table;
  readonly declaredBy: string | null;
  readonly account: ObjectAccount | null;
  readonly base: PriorityLevel;
  readonly consumers = new ConsumerPriorities();
  settings: QueueSettings;
  pumpPending = false;
  isRemoved = false;
  /** Whether a message may be refused, or dropped as a duplicate: see `publishing/admission.ts`. */
  isGuarded = false;
  /** Set when a message could not be read: nothing more is delivered, but what is published is kept. */
  corruption: CorruptionError | null = null;
  /** The highest priority first. */
  readonly levels: PriorityLevel[];
  /** Null where the queue does not deduplicate. */
  deduplicator: Deduplicator | null = null;
  readonly #ledger = new Ledger();
  readonly #depth = new QueueDepth();
  readonly #limits: QueueLimits;
  readonly #expiry: QueueExpiry;
  readonly #turn: Turn;
  readonly #gate: DeliveryGate;
  readonly #chunks: ChunkStore;
  readonly #deps: QueueDeps;
  readonly #levelDeps: LevelDeps;
  readonly #levels: PriorityLevels;
  readonly #delivery: DeliveryLoop;

  constructor(spec: QueueSpec, deps: QueueDeps) {
    this.id = deps.id;
    this.shard = spec.shard;
    this.vhost = spec.vhost;
    this.name = spec.name;
    this.durable = spec.durable;
    this.exclusiveOwner = spec.exclusiveOwner;
    this.autoDelete = spec.autoDelete;
    this.arguments = spec.arguments;
    this.declaredBy = spec.declaredBy ?? null;
    this.account = spec.account ?? null;
    this.#deps = deps;
    this.#turn = deps.turn;
    this.#gate = deps.gate;
    this.#chunks = deps.chunks;
    this.#limits = new QueueLimits(deps, this.#depth, this.#ledger, () => this.pumpLater());
    this.#expiry = new QueueExpiry(deps.clock, deps.scheduler, () => {
      if (!this.isRemoved && this.consumerCount === 0) deps.onIdle();
    });
    const { outbox, deliveries: deliveryLimit, retry: delayedRetry } = this.#limits;
    const ledger = this.#ledger;
    this.#levelDeps = { turn: deps.turn, depth: this.#depth, ledger, outbox, deliveryLimit, delayedRetry };
    this.settings = settingsFromArguments(spec.arguments);
    this.#levels = new PriorityLevels(
      deps.id,
      (logId, priority) => this.#openLevel(logId, priority),
      this.settings.maxPriority > 0 ? (deps.countLevels?.() ?? null) : null,
    );
    this.base = this.#levels.base;
    this.levels = this.#levels.all;
    this.#delivery = new DeliveryLoop({
      consumers: this.consumers,
      levels: this.#levels,
      limits: this.#limits,
      depth: this.#depth,
      ledger,
      chunks: deps.chunks,
      turn: deps.turn,
    });
    this.configure(this.settings);
  }

  /** Where the messages went; only the queue counts. */
  get ledger(): Readonly<Ledger> {
    return this.#ledger;
  }

  get readyCount(): number {
    return this.#depth.ready;
  }

  /** Bytes of the bodies of the ready messages. */
  get readyBytes(): number {
    return this.#depth.readyBytes;
  }

  get unacknowledgedCount(): number {
    return this.#depth.unacknowledged;
  }

  get consumerCount(): number {
    return this.consumers.count;
  }

  /** That of the messages without priority. */
  get log(): QueueLog {
    return this.base.log;
  }

  /** Messages on their way to the dead-letter exchange. */
  get leavingCount(): number {
    return this.#limits.outbox.count;
  }

  /** Messages that failed, and wait for their next attempt. */
  get retryingCount(): number {
    return this.#limits.retry.count;
  }

  /** Every message is accounted for: see `message-ledger.ts`. */
  get isBalanced(): boolean {
    const here = this.readyCount + this.unacknowledgedCount + this.leavingCount + this.retryingCount;
    return this.#ledger.begun === this.#ledger.ended + here;
  }

  /** The settings hold from now on, also for the messages that the queue has. */
  configure(settings: QueueSettings): void {
    this.settings = settings;
    const { deduplication } = settings;
    this.#limits.configure(settings, this.levels);
    this.isGuarded = this.#limits.length.refuses || deduplication !== null;
    this.consumers.isSingle = settings.singleActiveConsumer;
    this.consumers.single.takesOver = settings.isQuorum;
    if (deduplication === null) this.#forgetNames();
    else if (this.deduplicator !== null) this.deduplicator.configure(deduplication);
    else this.deduplicator = new Deduplicator(deduplication, this.#deps.countNames?.() ?? null);
    for (const level of this.levels) {
      level.countFailures(countsFailures(settings));
      level.departures = this.deduplicator;
    }
    this.#expiry.configure(settings.expiresMs, this.consumerCount > 0);
    if (this.readyCount > 0) this.pumpLater();
  }

  /** Called once the logs are recovered. `before`: what was ready at the last snapshot, if that is known. */
  recovered(deliveredBelow: (level: PriorityLevel) => number, before: Amount | null): void {
    let count = 0;
    for (const level of this.levels) {
      level.recovered(deliveredBelow(level));
      count += level.readyCount;
    }
    this.deduplicator?.recovered();
    this.touch();
    this.#ledger.recovered = count;
    const { maxLengthBytes } = this.settings;
    this.#depth.recovered(count, recoveredBytes(this.levels, this.#chunks, before, maxLengthBytes));
    if (count === 0) return;
    // What is in segments may have an expiration of its own: it is looked at when it is delivered.
    this.messagesExpire();
    this.pumpLater();
  }

  /** The level that a message of this priority goes to: where there may be no more of them, the next lower one. */
  levelFor(priority: number): PriorityLevel {
    const { maxPriority } = this.settings;
    return this.#levels.of(Math.min(priority, maxPriority), this.#deps.newLevelId);
  }

  /** One more level. At recovery the id of its log is known. */
  addLevel(priority: number, logId: number): PriorityLevel {
    return this.#levels.add(priority, logId);
  }

  published(bodyBytes: number): void {
    this.#depth.published(bodyBytes);
    this.#ledger.routed++;
    if (!this.pumpPending) this.#turn.pumpLater(this);
  }

  messagesExpire(): void {
    this.#limits.messagesExpire();
  }

  /** Whether a message of this size may be added, and others that come with it, where a full queue refuses. */
  hasRoomFor(bodyBytes: number, otherMessages = 0, otherBytes = 0): boolean {
    const limit = this.#limits.length;
    if (limit.hasRoomFor(bodyBytes, otherMessages, otherBytes)) return true;
    // What came in this turn may be for consumers that wait for it.
    if (this.pumpPending) this.pump();
    return limit.hasRoomFor(bodyBytes, otherMessages, otherBytes);
  }

  /** From publish admission: the queue was too full for a message. */
  countRefused(): void {
    this.#ledger.refused++;
  }

  /** From publish admission: the queue had taken a message before. */
  countDuplicate(): void {
    this.#ledger.duplicates++;
  }

  wake(): void {
    if (this.readyCount > 0 && !this.pumpPending && !this.isRemoved) this.#turn.pumpLater(this);
  }

  /**
   * @throws BrokerError access-refused, if somebody else is there exclusively or this one wants to be;
   *     precondition-failed, if a segment of the queue is corrupt
   */
  addConsumer(request: ConsumerRequest): Consumer {
    this.assertReadable();
    const { count, only, isSingle } = this.consumers;
    // There is no other beside an exclusive one.
    const refused = request.exclusive ? count > 0 || isSingle : only?.exclusive === true;
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

  /** As `addConsumer`, in the form that queues of other shards have. */
  consume(request: ConsumerRequest): Work<Consumer> {
    return atOnce(() => this.addConsumer(request));
  }

  removeConsumer(consumer: Consumer): void {
    consumer.isActive = false;
    if (!this.consumers.remove(consumer)) return;
    this.touch();
    // Somebody else may be the single active one now.
    this.wake();
    if (this.autoDelete && this.consumerCount === 0 && !this.isRemoved) this.#deps.onUnused();
  }

  /** The queue was used: x-expires counts from now. */
  touch(): void {
    this.#expiry.touch(this.consumerCount > 0);
  }

  /** One message (basic.get); answered at once, or when the message is durable, or was read from its segment. */
  get(noAck: boolean, getter: Getter): void {
    this.touch();
    this.#catchUp();
    if (this.corruption !== null || this.readyCount === 0) {
      getter.empty();
      return;
    }
    this.#delivery.getters.push({ getter, noAck });
    this.pump();
  }

  /** Delivers what it can, then applies the limits. */
  pump(): void {
    if (this.corruption !== null || this.isRemoved) return;
    if (this.#gate.isClosed) {
      this.#gate.hold(this);
      return;
    }
    if (this.consumers.count === 0 && this.#delivery.getters.length === 0) {
      this.#depth.dropEstimate();
    } else if (!this.#delivery.run()) {
      this.#turn.pumpLater(this);
      return;
    }
    if (this.#limits.areNeeded) this.#limits.apply(this.levels);
  }

  pumpLater(): void {
    if (!this.isRemoved) this.#turn.pumpLater(this);
  }

  /** Removes what is ready; returns how many messages that were. */
  purge(): number {
    const count = this.readyCount;
    for (const level of this.levels) level.purge();
    this.#depth.purged();
    // Otherwise the queue would find the corruption again, for dead letters that nobody can purge.
    if (this.corruption !== null) this.#ledger.lost += this.#limits.outbox.giveUpUnread();
    this.corruption = null;
    this.#ledger.purged += count;
    if (this.log.durable) this.#turn.schedule();
    return count;
  }

  /** As `purge`, in steps. What is published or given back meanwhile may stay. */
  *purgeInSteps(): Work<number> {
    if (this.corruption !== null) return this.purge();
    let count = 0;
    for (const level of [...this.levels]) {
      count += yield* level.purgeInSteps(this.#chunks);
      if (this.log.durable) this.#turn.schedule();
    }
    this.#depth.dropEstimate();
    return count;
  }

  prepareDeletion(conditions: QueueDeletion): Work<number> {
    return prepareDeletion(this, conditions);
  }

  get counts(): QueueCounts {
    return { ready: this.readyCount, consumers: this.consumerCount };
  }

  /** From the topology: the queue was deleted. Returns the number of messages that were ready. */
  remove(): number {
    const count = this.readyCount;
    this.isRemoved = true;
    this.#cancelConsumers();
    this.#delivery.answerEmpty();
    this.#depth.clear();
    this.#forgetNames();
    this.#levels.release();
    this.stop();
    for (const level of this.levels) {
      level.clear();
      this.#deps.removeLog(level.log);
    }
    return count;
  }

  #forgetNames(): void {
    this.deduplicator?.dispose();
    this.deduplicator = null;
  }

  /** No timer rings any more. */
  stop(): void {
    this.#limits.stop();
    this.#expiry.stop();
  }

  /** @throws BrokerError precondition-failed, if a segment of the queue is corrupt */
  assertReadable(): void {
    if (this.corruption === null) return;
    throw new BrokerError(
      'precondition-failed',
      `queue '${this.name}' in vhost '${this.vhost}' delivers nothing: ${this.corruption.message}`,
    );
  }

  #openLevel(logId: number, priority: number): PriorityLevel {
    const log = this.#deps.openLog(logId, this.durable && this.exclusiveOwner === null, {
      onLoaded: () => this.pumpLater(),
      onMissing: (offset) => this.#lose(level, offset),
      onCorruption: (error) => this.#stopFor(error),
    });
    const level = new PriorityLevel(this, priority, log, this.#levelDeps);
    level.countFailures(countsFailures(this.settings));
    level.departures = this.deduplicator;
    return level;
  }

  /** Before somebody new may take messages: what came in this turn is for who waited already, or expired and limited. */
  #catchUp(): void {
    if (this.pumpPending && (this.#limits.areNeeded || this.consumerCount > 0)) this.pump();
  }

  #stopFor(error: CorruptionError): void {
    this.corruption = error;
    this.#deps.onCorruption(error);
    this.#cancelConsumers();
    this.#delivery.answerEmpty();
  }

  /** Without consequences: an auto-delete queue stays. They get nothing more from now on, and are told in steps. */
  #cancelConsumers(): void {
    const consumers = this.consumers.clear();
    for (const consumer of consumers) consumer.isActive = false;
    if (consumers.length > 0) this.#deps.inBackground(walked(consumers, tellCancelled));
  }

  /** A message that should be in a segment is not: its corrupt batch was cut off. */
  #lose(level: PriorityLevel, offset: number): void {
    if (this.isRemoved) return;
    if (this.#limits.outbox.forget(level, offset)) {
      level.departures?.left(level, offset);
      level.log.acknowledge(offset);
      this.#ledger.lost++;
    } else {
      level.lose(offset);
    }
  }
}

function tellCancelled(consumer: Consumer): void {
  consumer.sink.cancelled(consumer);
}

function countsFailures({ countsDeliveries, retry }: QueueSettings): boolean {
  return countsDeliveries || retry !== null;
}
