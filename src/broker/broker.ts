import { oldGenerationBytesMax } from '../base/old-generation.ts';
import { systemScheduler, type Timer } from '../base/scheduler.ts';
import type { WorkOwner } from '../base/turn-time.ts';
import { acquireDirectoryLock } from '../log/files/directory-lock.ts';
import type { FileSystem } from '../log/files/filesystem.ts';
import { keepPrivate } from '../log/files/private-files.ts';
import { damagedSegmentText } from '../log/operator-advice.ts';
import type { StoreOptions } from '../log/store.ts';
import { Access } from './access/access.ts';
import { encodeAccessOperation } from './access/operations.ts';
import type { BrokerLog, BrokerOptions } from './broker-options.ts';
import { BrokerState } from './broker-state.ts';
import { realFileSystem, storageOf } from './broker-storage.ts';
import { Budget } from './budget/budget.ts';
import { LargeRequests } from './budget/large-requests.ts';
import { LoopStretches } from './budget/loop-stretches.ts';
import { mergedLimits, usualLimits } from './budget/object-limits.ts';
import { ObjectQuotas } from './budget/object-quotas.ts';
import { ReadTurns } from './budget/read-turns.ts';
import { ConnectionRegistry } from './connections/connection-registry.ts';
import { MessageTracing } from './connections/message-tracing.ts';
import { Delays } from './delays/delays.ts';
import type { ShardLink, ShardSeat } from './doors/shard-link.ts';
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
import type { AnyQueue } from './queues/any-queue.ts';
import { createQueue } from './queues/queue-factory.ts';
import type { QueueSpec } from './queues/queue-port.ts';
import { QueueRecovery } from './queues/queue-recovery.ts';
import { RemoteQueue } from './queues/remote-queue.ts';
import { ClusterId } from './shard/cluster-id.ts';
import { MemoryAlarms } from './shard/memory-alarms.ts';
import { Shard } from './shard/shard.ts';
import type { SnapshotSection } from './shard/snapshot-section.ts';
import { AdministrationService } from './shards/administration-service.ts';
import { AllShards } from './shards/all-shards.ts';
import { askForMetadata, type FollowedMetadata } from './shards/metadata-copy.ts';
import { checkShardDirectories, refuseLostShard } from './shards/missing-shards.ts';
import { MovedQueues } from './shards/move/moved-queues.ts';
import { QueueObserver } from './shards/queue-observer.ts';
import type { ServicesElsewhere } from './shards/services/services-elsewhere.ts';
import { type ConsumersElsewhere, Shards } from './shards/shards.ts';
import type { RemotePartitionReads } from './shards/streams/remote-partition-reads.ts';
import { StreamExchanges } from './streams/bindings/stream-exchanges.ts';
import { StreamBindingsObserver } from './streams/bindings/topology-observer.ts';
import { BrokerConfigs } from './streams/broker-configs.ts';
import { Streams } from './streams/streams.ts';
import { LocalCommands } from './topology/local-commands.ts';
import { encodeOperation } from './topology/metadata.ts';
import type { TopologyCommands } from './topology/topology-commands.ts';
import type { TopologyObserver } from './topology/topology-observer.ts';
import { VirtualHosts } from './topology/virtual-hosts.ts';
import {
  DEFAULT_TRANSACTION_SETTINGS,
  type TransactionSettings,
} from './transactions/transaction-settings.ts';
import { Transactions } from './transactions/transactions.ts';

export type { BrokerLog, BrokerOptions };

const MEMORY_CHECK_MS = 500;
const silent: BrokerLog = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** The roof: builds the rooms of a broker, gives each what it needs, and starts and stops them. */
export class Broker {
  readonly shard: Shard;
  readonly budget: Budget;
  readonly cluster: ClusterId;
  readonly quotas: ObjectQuotas;
  readonly vhosts: VirtualHosts<AnyQueue>;
  readonly access: Access;
  /** The clients' connections, over all protocols. */
  readonly connections: ConnectionRegistry;
  readonly events: Events;
  readonly tracing: MessageTracing;
  readonly deadLettering: DeadLettering;
  readonly delays: Delays;
  /** Kafka's dynamic settings of brokers. */
  readonly brokerConfigs: BrokerConfigs;
  readonly streams: Streams;
  readonly streamExchanges: StreamExchanges;
  readonly groups: Groups;
  readonly groupConfigs: GroupConfigs;
  readonly shareGroups: ShareGroups;
  readonly transactions: Transactions;
  /** Queues that came from other shards, or left for others. */
  readonly moved: MovedQueues;
  /** For administrators. */
  readonly allShards: AllShards;
  /** How clients change the topology. */
  readonly commands: TopologyCommands<AnyQueue>;
  readonly largeRequests: LargeRequests;
  readonly loopStretches: LoopStretches;
  /** Of the sockets of all protocols. */
  readonly readTurns: ReadTurns;
  readonly #queueRecovery = new QueueRecovery();
  /** Null with one shard. */
  readonly #shards: Shards | null;
  readonly #state: BrokerState;
  #unlock: (() => Promise<void>) | null = null;
  #memoryAlarms: MemoryAlarms | null = null;
  #memoryTimer: Timer | null = null;

  /** Recovers what is in the data directory. Rejects with a message for the user. */
  static async open(options: BrokerOptions): Promise<Broker> {
    const budget = options.budget ?? new Budget();
    const fileSystem = options.fileSystem ?? realFileSystem(budget, options.log ?? silent);
    options.onStep?.(`looking for the data directory ${options.dataDirectory}`);
    await fileSystem.makeDirectory(options.dataDirectory);
    options.onStep?.(`locking the data directory ${options.dataDirectory}`);
    // The directories of other shards lie in that of shard 0, which is locked.
    const isLocked = options.fileSystem === undefined && (options.seat?.number ?? 0) === 0;
    const lock = isLocked ? await acquireDirectoryLock(options.dataDirectory) : null;
    const broker = await Broker.#create(options, budget, fileSystem).catch(async (error: unknown) => {
      await lock?.release();
      throw error;
    });
    broker.#unlock = lock === null ? null : () => lock.release();
    if (lock !== null) await keepPrivate(options.dataDirectory, broker.shard.log);
    try {
      options.onStep?.(`reading the snapshot and the journal in ${options.dataDirectory}`);
      await broker.#state.recover();
      broker.#watchMemory(options);
      broker.#memoryTimer = broker.shard.scheduler.every(MEMORY_CHECK_MS, () =>
        budget.memory.check(broker.shard.clock.monotonicMs()),
      );
    } catch (error) {
      broker.shard.store.abandon();
      await lock?.release();
      throw error;
    }
    return broker;
  }

  /** With the metadata of shard 0, if this is another one. */
  static async #create(options: BrokerOptions, budget: Budget, fileSystem: FileSystem): Promise<Broker> {
    const { seat, dataDirectory } = options;
    let followed: FollowedMetadata | null = null;
    if (seat === undefined || seat.number === 0) {
      await checkShardDirectories(fileSystem, dataDirectory, seat?.count ?? 1);
    } else {
      followed = await askForMetadata(seat.links[0] as ShardLink);
      await refuseLostShard(fileSystem, dataDirectory, seat.number, followed.operations);
    }
    return new Broker({ ...options, budget, followed }, storageOf(options, budget, fileSystem));
  }

  private constructor(
    options: BrokerOptions & { readonly budget: Budget; readonly followed: FollowedMetadata | null },
    storage: StoreOptions,
  ) {
    this.budget = options.budget;
    const { seat = null } = options;
    this.connections =
      seat === null ? new ConnectionRegistry() : new ConnectionRegistry(seat.number + 1, seat.count);
    this.largeRequests = LargeRequests.within(options.memoryHighWaterBytes, options.budget.together);
    this.shard = this.#createShard(options, storage);
    const { shard } = this;
    this.#shards = options.seat === undefined ? null : new Shards(options.seat, shard);
    this.loopStretches = new LoopStretches(shard.log);
    this.readTurns = new ReadTurns(shard.scheduler);
    const onStretch = (ms: number, nowMs: number, work: WorkOwner): void =>
      this.loopStretches.record(nowMs - ms, nowMs, work.protocol, work.request, work.user);
    shard.turnTime.onStretch = onStretch;
    this.quotas = this.#createQuotas(options);
    const record = (operation: Uint8Array): void => this.#record(operation);
    this.delays = new Delays({
      shard,
      record: (operation) => shard.record(encodeOperation(operation)),
      onCorruption: (fields, message) => shard.log.error(fields, message),
    });
    this.brokerConfigs = new BrokerConfigs({ record });
    this.streams = this.#createStreams(options.followed !== null);
    this.brokerConfigs.onChange(() => this.streams.defaultsChanged());
    this.cluster = new ClusterId(record);
    this.groupConfigs = new GroupConfigs({ record, quotas: this.quotas });
    this.groups = this.#createGroups({ ...DEFAULT_GROUP_SETTINGS, ...options.groups });
    this.shareGroups = new ShareGroups({
      shard,
      streams: this.streams,
      configs: this.groupConfigs,
      access: () => this.access,
      groups: this.groups,
      quotas: this.quotas,
      seat,
      recordMetadata: record,
      everywhere: () => this.metadataIsSafe(),
      onProblem: (fields, message) => shard.log.error(fields, message),
    });
    this.transactions = this.#createTransactions(options.transactions);
    this.vhosts = this.#createVhosts();
    this.streamExchanges = new StreamExchanges({
      shard,
      vhosts: this.vhosts,
      streams: this.streams,
      elsewhere: this.#shards?.streams ?? null,
      recordDeclared: (operation) => this.#recordImplied(operation),
    });
    this.streams.observe(this.streamExchanges);
    this.deadLettering = new DeadLettering(shard, this.vhosts);
    const messages = new InternalMessages(shard, this.vhosts, this.deadLettering);
    this.events = new Events({ clock: shard.clock, vhosts: this.vhosts, messages });
    this.tracing = new MessageTracing(this.connections, messages);
    this.access = new Access({
      clock: shard.clock,
      vhosts: this.vhosts,
      log: { append: (operation) => this.#record(encodeAccessOperation(operation)) },
      events: this.events,
      loopbackUsers: options.loopbackUsers ?? ['guest'],
      quotas: this.quotas,
      connectionsOfAll: this.budget.together.connections,
      ratesOfAll: this.budget.together.rates,
      shards: this.budget.together.shards,
      durable: () => this.metadataIsSafe(),
    });
    this.allShards = this.#createAllShards(seat);
    this.moved = new MovedQueues({ isKept: seat?.number === 0, named: (id) => shard.store.named(id) });
    this.commands = this.#createCommands(options.followed);
    this.#state = new BrokerState({
      shard,
      vhosts: this.vhosts,
      access: this.access,
      events: this.events,
      delays: this.delays,
      streams: this.streams,
      streamExchanges: this.streamExchanges,
      queueRecovery: this.#queueRecovery,
      followed: options.followed,
      shards: this.#shards,
      moved: this.moved,
      copied: this.#copied(),
      // In the order in which they are restored.
      sections: [
        this.streams,
        this.moved,
        this.groups,
        this.shareGroups,
        this.transactions,
        this.streamExchanges,
        ...(this.#shards === null ? [] : [this.#shards.outboxes]),
      ],
    });
  }

  /** How servers ask those in other shards; null with one shard. */
  get elsewhere(): ServicesElsewhere | null {
    return this.#shards?.services ?? null;
  }

  /** What is read here of partitions in other shards; null with one shard. */
  get partitionReads(): RemotePartitionReads | null {
    return this.#shards?.streams.reads ?? null;
  }

  /** What there is of consumers across shards; null with one shard. */
  get consumersElsewhere(): ConsumersElsewhere | null {
    return this.#shards?.consumersElsewhere() ?? null;
  }

  /** Calls `listener` when all changes of metadata so far are durable, and in effect in all shards: at once if they are. */
  whenMetadataIsSafe(listener: () => void): void {
    if (this.#shards !== null) this.#shards.whenEverywhere(listener);
    else this.shard.whenDurable(this.shard.metadataBlock, { onDurable: listener });
  }

  get isMetadataSafe(): boolean {
    return this.shard.isDurable(this.shard.metadataBlock) && this.#shards?.isEverywhere !== false;
  }

  metadataIsSafe(): Promise<void> {
    return new Promise((resolve) => this.whenMetadataIsSafe(resolve));
  }

  /** Flushes, takes a snapshot, lets go of the directory. */
  async close(): Promise<void> {
    this.#stop();
    await this.shard.close();
    await this.#unlock?.();
  }

  /** Lets go of the directory as a crash does: nothing more is written. */
  async abandon(): Promise<void> {
    this.#stop();
    this.shard.store.abandon();
    await this.#unlock?.();
  }

  #stop(): void {
    this.#memoryAlarms?.stop();
    this.#memoryTimer?.cancel();
    this.shard.turn.stop();
    this.#state.stop();
  }

  #createShard(options: BrokerOptions, storage: StoreOptions): Shard {
    return new Shard({
      storage,
      codecs: new PropertyCodecs(options.propertyCodecs ?? []),
      log: options.log ?? silent,
      isHeld: options.isHeld === true,
      onAlarm: (source, isRaised) =>
        this.events.emit(isRaised ? 'alarm.set' : 'alarm.cleared', { source, node: nodeName }),
      onFailure:
        options.onFailure ??
        ((error) => {
          throw error;
        }),
    });
  }

  #createQuotas({ objectLimits = {}, memoryHighWaterBytes }: BrokerOptions): ObjectQuotas {
    const { together } = this.budget;
    // The heap is one of this thread; what the process may take is for all of them.
    const memoryBytes =
      memoryHighWaterBytes === undefined ? undefined : memoryHighWaterBytes / together.shards;
    return new ObjectQuotas({
      rows: together.objects,
      limits: mergedLimits(usualLimits(oldGenerationBytesMax(), memoryBytes), objectLimits),
      ofUser: (name) => this.access.objectLimitsOfUser(name),
      ofVhost: (name) => this.access.objectLimitsOfVhost(name),
      shortOf: () => this.shard.alarms.raised,
      isDiskReserved: () => this.shard.alarms.isDiskReserved,
      nowMs: () => this.shard.clock.monotonicMs(),
      onReached: (reason) => this.shard.log.warn({ reason }, 'something was not made'),
    });
  }

  #createVhosts(): VirtualHosts<AnyQueue> {
    return new VirtualHosts<AnyQueue>(
      {
        observer: (vhost) => this.#createObserver(vhost),
        createQueue: (spec) => this.#createQueue(spec),
        log: {
          append: (operation) => this.#record(encodeOperation(operation)),
          ...(this.#shards !== null && { tell: (operation) => this.#tell(encodeOperation(operation)) }),
        },
        ...this.#shards?.topology,
        rights: {
          mayStillWrite: (user, vhost, exchange, keys) =>
            this.access.mayStillWrite(user, vhost, exchange, keys),
        },
        quotas: this.quotas,
        beforeDelete: (vhost) => {
          this.groups.deleteAll(vhost);
          this.shareGroups.deleteAll(vhost);
          this.groupConfigs.deleteAll(vhost);
          this.streams.deleteAll(vhost);
          this.transactions.deleteAll(vhost);
        },
      },
      (vhost) => {
        this.streamExchanges.vhostAdded(vhost);
        return this.delays.create(vhost);
      },
    );
  }

  #createCommands(followed: FollowedMetadata | null): TopologyCommands<AnyQueue> {
    if (this.#shards === null) return new LocalCommands(this.vhosts);
    const metadata = (): readonly string[] => this.#state.followedMetadata();
    const { vhosts, access, events, streams, streamExchanges, deadLettering: refused, allShards } = this;
    const { transactions, shareGroups, delays } = this;
    const topology = { vhosts, access, events, refused, delays, metadata, copied: this.#copied() };
    const ofStreams = { streams, streamExchanges, transactions, shareGroups };
    return this.#shards.begin({ ...topology, ...ofStreams, allShards }, followed);
  }

  /** What all shards follow, beside topology, access and streams. */
  #copied(): SnapshotSection[] {
    return [this.brokerConfigs, this.cluster, this.groupConfigs, this.shareGroups.names];
  }

  #createAllShards(seat: ShardSeat | null): AllShards {
    const { shard, vhosts, streams, access, events, tracing, connections, budget, loopStretches } = this;
    const rooms = { shard, vhosts, streams, access, events, tracing, connections, budget, loopStretches };
    return new AllShards({ seat, service: new AdministrationService({ ...rooms, seat }), events });
  }

  #createObserver(vhost: string): TopologyObserver<AnyQueue> {
    const shards = this.#shards;
    // What happens in all shards is told once.
    const events = new TopologyEvents(this.events, vhost, shards === null || shards.seat.number === 0);
    const observer = new StreamBindingsObserver(this.streamExchanges, vhost, events);
    return shards === null ? observer : new QueueObserver(shards.queues, observer);
  }

  #createQueue(spec: QueueSpec): AnyQueue {
    const shards = this.#shards;
    if (shards !== null && spec.shard !== shards.seat.number) {
      return new RemoteQueue({ ...spec, id: this.shard.logId(spec.id) }, shards.remoteQueues);
    }
    return createQueue(spec, {
      shard: this.shard,
      recovery: this.#queueRecovery,
      quotas: this.quotas,
      deadLettering: this.deadLettering,
      remove: (queue) => this.commands.removeQueue(queue),
      followedChange: () => shards?.followedChange ?? 0,
    });
  }

  /** A change of metadata, which other shards have to know. */
  #record(operation: Uint8Array): void {
    const block = this.shard.record(operation);
    if (this.#shards !== null && !this.shard.isRecovering) this.#shards.changed(operation, block);
  }

  /** As `#record`, of what follows from other changes, and is not counted as one. */
  #recordImplied(operation: Uint8Array): void {
    const block = this.shard.record(operation);
    if (!this.shard.isRecovering) this.#shards?.implied(operation, block);
  }

  #tell(operation: Uint8Array): void {
    if (!this.shard.isRecovering) this.#shards?.changed(operation, 0);
  }

  #watchMemory({ memoryHighWaterBytes = Number.POSITIVE_INFINITY, ...options }: BrokerOptions): void {
    if (memoryHighWaterBytes === Number.POSITIVE_INFINITY) return;
    this.#memoryAlarms = new MemoryAlarms({
      memoryHighWaterBytes,
      neededBytes: options.residentBytes ?? null,
      scheduler: options.scheduler ?? systemScheduler,
      clock: this.shard.clock,
      log: this.shard.log,
      onChange: (isShort) => this.shard.setAlarm('memory', isShort),
      together: this.budget.together,
      number: options.seat?.number ?? 0,
    });
  }

  #createStreams(isFollower: boolean): Streams {
    const { shard } = this;
    const { partitionShards, partitionPlacement = null } = this.#shards ?? {};
    return new Streams({
      isFollower,
      placement: partitionPlacement,
      hasLeft: (id) => this.moved.hasLeft(partitionShards?.own ?? 0, id),
      context: {
        ...(partitionShards !== undefined && { shards: partitionShards }),
        store: shard.store,
        turn: shard.turn,
        quotas: this.quotas,
        onCorruption: ({ stream, index }, path, offset, what) => {
          shard.log.error(
            { stream: stream.name, vhost: stream.vhost, partition: index, path, offset, what },
            damagedSegmentText('a partition cannot be read on', path),
          );
        },
      },
      logId: (known) => shard.logId(known),
      record: (operation) => this.#record(operation),
      turnTime: shard.turnTime,
      defaults: () => this.brokerConfigs.topicDefaults,
      quotas: this.quotas,
    });
  }

  #createGroups(settings: GroupSettings): Groups {
    const { shard } = this;
    const groups = new Groups({
      settings,
      configsOf: (vhost, group) => this.groupConfigs.of(vhost, group),
      streams: this.streams,
      quotas: this.quotas,
      clock: shard.clock,
      scheduler: shard.scheduler,
      turnTime: shard.turnTime,
      record: (operation) => shard.record(operation),
    });
    this.streams.observe(groups);
    return groups;
  }

  #createTransactions(given: Partial<TransactionSettings> = {}): Transactions {
    const settings = { ...DEFAULT_TRANSACTION_SETTINGS, ...given };
    return new Transactions({
      shard: this.shard,
      settings,
      producerExpirationMs: () =>
        this.brokerConfigs.number('producer.id.expiration.ms') ?? settings.producerExpirationMs,
      offsets: this.groups,
      quotas: this.quotas,
      partitions: () => this.streams.allPartitions(),
      verification: this.#shards?.transactions.verification ?? null,
    });
  }
}
