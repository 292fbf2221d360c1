import { type Clock, systemClock } from '../base/clock.ts';
import { systemScheduler } from '../base/scheduler.ts';
import { acquireDirectoryLock } from '../log/files/directory-lock.ts';
import { nodeFileSystem } from '../log/files/node-filesystem.ts';
import { type StateMachine, Store, type StoreOptions } from '../log/store.ts';
import { Access } from './access/access.ts';
import { decodeAccessOperation, encodeAccessOperation, isAccessOperation } from './access/operations.ts';
import type { BrokerLog, BrokerOptions } from './broker-options.ts';
import { Sessions } from './connections/connection-registry.ts';
import { Tracing } from './connections/message-tracing.ts';
import { Delays } from './delays/delays.ts';
import { Events } from './events/events.ts';
import { nodeName } from './events/node-name.ts';
import { TopologyEvents } from './events/topology-events.ts';
import { GroupConfigs } from './groups/group-configs.ts';
import { DEFAULT_GROUP_SETTINGS, type GroupSettings } from './groups/group-settings.ts';
import { Groups } from './groups/groups.ts';
import { ShareGroups } from './groups/share/share-groups.ts';
import { PropertyCodecs } from './messages/property-codec.ts';
import { DeadLettering } from './publishing/dead-lettering.ts';
import { InternalMessages } from './publishing/internal-messages.ts';
import { Queue } from './queues/queue.ts';
import { encodeQueueOperation, isQueueOperation } from './queues/queue-operations.ts';
import { failureOperations, QueueRecovery, type QueueState, stateOf } from './queues/queue-recovery.ts';
import { BackPressure } from './shard/back-pressure.ts';
import { ClusterId } from './shard/cluster-id.ts';
import { type DurableListener, DurableWaiters } from './shard/durability-waiters.ts';
import { MemoryAlarm } from './shard/memory-alarm.ts';
import { SnapshotSections } from './shard/snapshot-section.ts';
import { Turn } from './shard/turn.ts';
import { StreamExchanges } from './streams/bindings/stream-exchanges.ts';
import { ViewsObserver } from './streams/bindings/topology-observer.ts';
import { Streams } from './streams/streams.ts';
import { decodeOperation, encodeOperation } from './topology/metadata.ts';
import type { QueueSpec } from './topology/ports.ts';
import type { VirtualHost } from './topology/virtual-host.ts';
import { VirtualHosts } from './topology/virtual-hosts.ts';
import {
  DEFAULT_TRANSACTION_SETTINGS,
  type TransactionSettings,
} from './transactions/transaction-settings.ts';
import { Transactions } from './transactions/transactions.ts';

export type { BrokerLog, BrokerOptions };

/** What the snapshot keeps of the broker. */
interface BrokerSnapshot {
  readonly nextQueueId: number;
  readonly metadata: readonly string[];
  /** The id of a log and the offset below which messages were handed out, in pairs. */
  readonly delivered: readonly (readonly [number, number])[];
  readonly queues: readonly QueueState[];
  /** Operations of state parts. */
  readonly parts?: readonly string[];
}

const MIB = 1024 * 1024;
const silent: BrokerLog = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** Semantics without a protocol: virtual hosts, queues, and the store that keeps them. */
export class Broker implements StateMachine {
  readonly clock: Clock;
  readonly turn: Turn;
  readonly store: Store;
  readonly backPressure: BackPressure;
  readonly vhosts: VirtualHosts<Queue>;
  readonly access: Access;
  readonly codecs: PropertyCodecs;
  /** Who is connected, to be looked at and closed. */
  readonly sessions = new Sessions();
  readonly events: Events;
  readonly tracing: Tracing;
  readonly deadLettering: DeadLettering;
  readonly #cluster: ClusterId;
  readonly delays: Delays;
  readonly streams: Streams;
  readonly views: StreamExchanges;
  readonly groups: Groups;
  readonly groupConfigs: GroupConfigs;
  readonly shareGroups: ShareGroups;
  readonly transactions: Transactions;
  /** Why publishers are blocked; empty if they are not. */
  readonly blockedReasons = new Set<string>();
  /** The block in which the last change of metadata is; 0 if there was none. */
  metadataBlock = 0;
  readonly #log: BrokerLog;
  readonly #waiters = new DurableWaiters();
  readonly #blockedListeners = new Set<() => void>();
  readonly #queueRecovery = new QueueRecovery();
  readonly #onFailure: (error: Error) => void;
  readonly #parts = new SnapshotSections();
  #nextQueueId = 1;
  #recovering = true;
  #unlock: (() => Promise<void>) | null = null;
  #memoryAlarm: MemoryAlarm | null = null;

  /** Recovers what is in the data directory. Rejects with a message for the user. */
  static async open(options: BrokerOptions): Promise<Broker> {
    const fileSystem = options.fileSystem ?? nodeFileSystem;
    await fileSystem.makeDirectory(options.dataDirectory);
    const lock = options.fileSystem === undefined ? await acquireDirectoryLock(options.dataDirectory) : null;
    const broker = new Broker(options, {
      directory: options.dataDirectory,
      fileSystem,
      clock: options.clock ?? systemClock,
      scheduler: options.scheduler ?? systemScheduler,
      durability: options.durability ?? { mode: 'sync' },
      memoryBytes: options.memoryLimitBytes ?? 64 * MIB,
      journalFileBytes: options.journalFileBytes ?? 32 * MIB,
      journalBytes: options.journalLimitBytes ?? 128 * MIB,
      segmentBytes: options.segmentBytes ?? 32 * MIB,
      diskFreeBytes: options.diskFreeLimitBytes ?? 64 * MIB,
      chunkBytes: options.chunkBytes ?? MIB,
      reclaimMs: options.reclaimMs ?? 2000,
      streamUpkeep: options.streamUpkeep ?? {},
    });
    broker.#unlock = lock === null ? null : () => lock.release();
    try {
      await broker.#recover();
      broker.#watchMemory(options);
    } catch (error) {
      broker.store.abandon();
      await lock?.release();
      throw error;
    }
    return broker;
  }

  private constructor(options: BrokerOptions, storeOptions: StoreOptions) {
    this.clock = storeOptions.clock;
    this.codecs = new PropertyCodecs(options.propertyCodecs ?? []);
    this.#log = options.log ?? silent;
    this.#onFailure =
      options.onFailure ??
      ((error) => {
        throw error;
      });
    this.store = new Store(storeOptions, {
      isAwaited: () => this.#waiters.isAwaited,
      onDurable: (block) => {
        this.#waiters.release(block);
        this.backPressure.relieve();
        this.store.maintenance.poke();
      },
      onWarning: (text) => this.#log.warn({}, text),
      onRecovered: (lastBlock) => this.#log.info({ lastBlock }, 'the journal was read'),
      onFailure: (error) => this.#fail(error),
      onPressure: (reason, on) => this.#setBlocked(reason, on),
      onRelief: () => this.backPressure.relieve(),
    });
    this.backPressure = new BackPressure(this.store);
    this.turn = new Turn(this.clock, storeOptions.scheduler, () => {
      this.store.journal.commit();
      this.store.maintenance.poke();
    });
    this.delays = this.#createDelays();
    this.streams = this.#createStreams();
    this.#parts.add(this.streams);
    this.#cluster = new ClusterId((operation) => this.record(operation));
    this.#parts.add(this.#cluster);
    this.groupConfigs = new GroupConfigs({ record: (operation) => this.record(operation) });
    this.#parts.add(this.groupConfigs);
    this.groups = this.#createGroups({ ...DEFAULT_GROUP_SETTINGS, ...options.groups });
    this.#parts.add(this.groups);
    this.shareGroups = new ShareGroups({
      store: this.store,
      streams: this.streams,
      configs: this.groupConfigs,
      groups: this.groups,
      record: (operation) => this.record(operation),
      onProblem: (fields, message) => this.#log.error(fields, message),
    });
    this.#parts.add(this.shareGroups);
    this.transactions = this.#createTransactions(options.transactions);
    this.#parts.add(this.transactions);
    this.vhosts = new VirtualHosts<Queue>(
      {
        observer: (vhost) => new ViewsObserver(this.views, vhost, new TopologyEvents(this.events, vhost)),
        createQueue: (spec) => this.#createQueue(spec),
        log: { append: (operation) => this.record(encodeOperation(operation)) },
        beforeDelete: (vhost) => {
          this.groups.deleteAll(vhost);
          this.shareGroups.deleteAll(vhost);
          this.groupConfigs.deleteAll(vhost);
          this.streams.deleteAll(vhost);
          this.transactions.deleteAll(vhost);
        },
      },
      (vhost) => {
        this.views.vhostAdded(vhost);
        return this.delays.create(vhost);
      },
    );
    this.views = new StreamExchanges(this);
    this.#parts.add(this.views);
    this.streams.observe(this.views);
    const messages = new InternalMessages(this);
    this.events = new Events({ clock: this.clock, vhosts: this.vhosts, messages });
    this.tracing = new Tracing(this.sessions, messages);
    this.deadLettering = new DeadLettering(this);
    this.access = new Access({
      clock: this.clock,
      vhosts: this.vhosts,
      log: { append: (operation) => this.record(encodeAccessOperation(operation)) },
      events: this.events,
      loopbackUsers: options.loopbackUsers ?? ['guest'],
      durable: () => this.#metadataDurable(),
    });
  }

  /** For whoever runs the broker. */
  warn(fields: object, message: string): void {
    this.#log.warn(fields, message);
  }

  /** Tells the data of this broker from everybody else's: a UUID, base64url without padding. */
  get clusterId(): string {
    return this.#cluster.id;
  }

  vhost(name: string): VirtualHost<Queue> | undefined {
    return this.vhosts.get(name);
  }

  isDurable(block: number): boolean {
    return block <= this.store.journal.durableBlock;
  }

  /** The block in which the last of all that was stored until now is; 0 if that is durable. */
  get undurableBlock(): number {
    const block = this.store.journal.lastBlock;
    return this.isDurable(block) ? 0 : block;
  }

  /** `listener` is called once when this block, which is not durable yet, is. */
  whenDurable(block: number, listener: DurableListener): void {
    this.#waiters.add(block, listener);
    this.turn.schedule();
  }

  /** Called when `blockedReasons` changes. Returns how to stop that. */
  onBlockedChange(listener: () => void): () => void {
    this.#blockedListeners.add(listener);
    return () => this.#blockedListeners.delete(listener);
  }

  /** Flushes, takes a snapshot, lets go of the directory. */
  async close(): Promise<void> {
    this.#memoryAlarm?.stop();
    this.turn.stop();
    for (const vhost of this.vhosts) for (const queue of vhost.queues()) queue.stop();
    this.delays.stop();
    for (const part of this.#parts) part.stop?.();
    await this.store.close();
    await this.#unlock?.();
  }

  /** From the store: a snapshot's part, or null on an empty directory. */
  restore(snapshot: unknown): void {
    if (snapshot === null) return;
    const { nextQueueId, metadata, delivered, queues, parts = [] } = snapshot as BrokerSnapshot;
    this.#nextQueueId = nextQueueId;
    this.#queueRecovery.delivered(delivered);
    const operations = parts.map((operation) => Buffer.from(operation, 'utf8'));
    const isOfStreams = (operation: Buffer) => this.#parts.of(operation) === this.streams;
    // Exchanges refer to streams, other parts to all of that.
    for (const operation of operations) if (isOfStreams(operation)) this.applyMetadata(operation);
    for (const operation of metadata) this.applyMetadata(Buffer.from(operation, 'utf8'));
    for (const operation of operations) if (!isOfStreams(operation)) this.applyMetadata(operation);
    for (const state of queues ?? []) this.#queueRecovery.restore(state);
  }

  applyMetadata(bytes: Buffer): void {
    if (isQueueOperation(bytes)) this.#queueRecovery.apply(bytes);
    else if (isAccessOperation(bytes)) this.access.apply(decodeAccessOperation(bytes));
    else if (this.#parts.of(bytes) !== undefined) this.#parts.of(bytes)?.apply(bytes);
    else this.vhosts.apply(decodeOperation(bytes));
  }

  snapshot(): BrokerSnapshot {
    const delivered: [number, number][] = [];
    const queues: QueueState[] = [];
    for (const vhost of this.vhosts) {
      for (const queue of vhost.queues()) {
        if (!queue.log.durable) continue;
        for (const lane of queue.lanes) delivered.push([lane.log.id, lane.deliveredBelow]);
        const state = stateOf(queue, this.turn.nowMs);
        if (state !== null) queues.push(state);
      }
    }
    const metadata = [
      ...this.vhosts.snapshot().map(encodeOperation),
      ...this.access.snapshot().map(encodeAccessOperation),
    ].map((bytes) => Buffer.from(bytes).toString('utf8'));
    return { nextQueueId: this.#nextQueueId, metadata, delivered, queues, parts: this.#parts.snapshot() };
  }

  async #recover(): Promise<void> {
    const { clean, warnings } = await this.store.recover(this);
    for (const warning of warnings) this.#log.warn({}, warning);
    const queues = [...this.vhosts].flatMap((vhost) => [...vhost.queues()]);
    this.#recovering = false;
    // Not earlier: what expires or comes due makes changes that have to be in the journal.
    for (const queue of queues) {
      queue.recovered(
        ({ log }) => (clean ? this.#queueRecovery.deliveredBelow(log.id) : log.end),
        this.#queueRecovery.readyBefore(queue.id),
      );
    }
    this.#queueRecovery.finish();
    this.delays.recovered();
    for (const part of this.#parts) part.recovered?.();
    this.events.isOn = true;
    this.access.begin();
    this.turn.schedule();
  }

  #watchMemory({ memoryHighWaterBytes = Number.POSITIVE_INFINITY, ...options }: BrokerOptions): void {
    if (memoryHighWaterBytes === Number.POSITIVE_INFINITY) return;
    this.#memoryAlarm = new MemoryAlarm({
      limitBytes: memoryHighWaterBytes,
      residentBytes: options.residentBytes ?? process.memoryUsage.rss,
      scheduler: options.scheduler ?? systemScheduler,
      onChange: (isOver, residentBytes) => {
        this.#log.warn(
          { residentBytes, memoryHighWaterBytes },
          isOver ? 'memory is short' : 'memory is free again',
        );
        this.#setBlocked('memory', isOver);
      },
    });
  }

  #createQueue(spec: QueueSpec): Queue {
    const id = spec.id ?? this.#nextQueueId;
    this.#useId(id);
    let isWaiting = false;
    const queue = new Queue(spec, {
      id,
      turn: this.turn,
      chunks: this.store.chunks,
      clock: this.clock,
      scheduler: this.store.options.scheduler,
      openLog: (...parameters) => this.store.openLog(...parameters),
      removeLog: (log) => this.store.removeLog(log),
      onCorruption: (queue, error) => {
        const { path, offset } = error;
        this.#log.error(
          { queue: queue.name, vhost: queue.vhost, path, offset, what: error.what },
          'a queue stops delivering: a segment of it is damaged; purge or delete the queue, or stop and run `sluice doctor`',
        );
      },
      onUnused: (queue) => this.vhosts.get(queue.vhost)?.removeQueue(queue),
      onIdle: (queue) => {
        // Until everything is read nothing has had a chance to be used.
        if (this.#recovering) queue.touch();
        else this.vhosts.get(queue.vhost)?.removeQueue(queue);
      },
      newLaneId: (queue, priority) => {
        const laneId = this.#nextQueueId;
        this.#useId(laneId);
        if (queue.durable) {
          this.record(encodeQueueOperation({ op: 'queue-state.lane', id: queue.id, priority, laneId }));
        }
        return laneId;
      },
      deadLetter: (queue, batch) => {
        if (this.backPressure.isOverwhelmed) {
          if (!isWaiting) {
            isWaiting = true;
            this.backPressure.onResume([], () => {
              isWaiting = false;
              queue.pumpLater();
            });
          }
          return false;
        }
        this.deadLettering.send(queue, batch);
        return true;
      },
      recordFailures: (queue, failures) => {
        for (const operation of failureOperations(queue, failures))
          this.record(encodeQueueOperation(operation));
      },
    });
    if (this.#recovering) this.#queueRecovery.created(queue, (laneId) => this.#useId(laneId));
    return queue;
  }

  #createStreams(): Streams {
    return new Streams({
      context: {
        store: this.store,
        nowMs: () => Math.floor(this.turn.nowMs),
        schedule: () => this.turn.schedule(),
        onCorruption: ({ stream, index }, path, offset, what) => {
          this.#log.error(
            { stream: stream.name, vhost: stream.vhost, partition: index, path, offset, what },
            'a partition cannot be read on: a segment of it is damaged; stop and run `sluice doctor`',
          );
        },
      },
      logId: (known) => {
        const id = known ?? this.#nextQueueId;
        this.#useId(id);
        return id;
      },
      record: (operation) => this.record(operation),
    });
  }

  #createGroups(settings: GroupSettings): Groups {
    const groups = new Groups({
      settings,
      configsOf: (vhost, group) => this.groupConfigs.of(vhost, group),
      streams: this.streams,
      clock: this.clock,
      scheduler: this.store.options.scheduler,
      record: (operation) => {
        this.record(operation);
        return this.store.journal.blockNumber;
      },
    });
    this.streams.observe(groups);
    return groups;
  }

  #createTransactions(settings: Partial<TransactionSettings> = {}): Transactions {
    return new Transactions({
      store: this.store,
      clock: this.clock,
      scheduler: this.store.options.scheduler,
      settings: { ...DEFAULT_TRANSACTION_SETTINGS, ...settings },
      offsets: this.groups,
      partitions: () => this.streams.partitions(),
      record: (operation) => this.record(operation),
    });
  }

  #createDelays(): Delays {
    return new Delays({
      turn: this.turn,
      store: this.store,
      scheduler: this.store.options.scheduler,
      backPressure: this.backPressure,
      codecs: this.codecs,
      logId: (known) => {
        const id = known ?? this.#nextQueueId;
        this.#useId(id);
        return id;
      },
      record: (operation) => this.record(encodeOperation(operation)),
      onCorruption: (fields, message) => this.#log.error(fields, message),
    });
  }

  #useId(id: number): void {
    this.#nextQueueId = Math.max(this.#nextQueueId, id + 1);
  }

  #metadataDurable(): Promise<void> {
    const block = this.metadataBlock;
    if (this.isDurable(block)) return Promise.resolve();
    return new Promise((resolve) => this.whenDurable(block, { onDurable: () => resolve() }));
  }

  /** Journals a change of metadata, in the encoding of whoever will apply it at recovery. */
  record(operation: Uint8Array): void {
    if (this.#recovering) return;
    this.store.appendMetadata(operation);
    this.metadataBlock = this.store.journal.blockNumber;
    this.turn.schedule();
  }

  #setBlocked(reason: string, on: boolean): void {
    if (this.blockedReasons.has(reason) === on) return;
    if (on) this.blockedReasons.add(reason);
    else this.blockedReasons.delete(reason);
    this.#log.warn({ reason }, on ? 'publishers are blocked' : 'publishers may go on');
    this.events.emit(on ? 'alarm.set' : 'alarm.cleared', { source: reason, node: nodeName });
    for (const listener of this.#blockedListeners) listener();
  }

  #fail(error: Error): void {
    this.turn.stop();
    this.store.abandon();
    this.#log.error({ err: error }, 'the storage failed');
    this.#onFailure(error);
  }
}
