import type { Json } from '../../base/value-json.ts';
import type { Access } from '../access/access.ts';
import type { Delays } from '../delays/delays.ts';
import { FRAME_PUBLISH } from '../doors/frame-kinds.ts';
import type { ShardLink, ShardNote, ShardSeat, ShardService } from '../doors/shard-link.ts';
import type { Events } from '../events/events.ts';
import type { ShareGroups } from '../groups/share/share-groups.ts';
import type { RefusedMessages } from '../publishing/admission.ts';
import type { AnyQueue } from '../queues/any-queue.ts';
import { encodeQueueOperation } from '../queues/queue-operations.ts';
import type { Shard } from '../shard/shard.ts';
import { type SnapshotSection, SnapshotSections } from '../shard/snapshot-section.ts';
import type { StreamExchanges } from '../streams/bindings/stream-exchanges.ts';
import type { PartitionShards } from '../streams/partition.ts';
import { PartitionPlacement } from '../streams/partition-placement.ts';
import type { Streams } from '../streams/streams.ts';
import { LocalCommands } from '../topology/local-commands.ts';
import type { RouteVersion } from '../topology/route.ts';
import type { TopologyCommands } from '../topology/topology-commands.ts';
import type { VirtualHostDeps } from '../topology/virtual-host.ts';
import type { VirtualHosts } from '../topology/virtual-hosts.ts';
import type { Transactions } from '../transactions/transactions.ts';
import type { AllShards } from './all-shards.ts';
import { number } from './command-codec.ts';
import { CommandService } from './command-service.ts';
import { ConsumeService } from './consume/consume-service.ts';
import { RemoteSettlements } from './consume/remote-settlements.ts';
import { Replies } from './consume/replies.ts';
import type { LocalQueues } from './inbound-routes.ts';
import { FollowedChanges, type KnownMetadata } from './known-metadata.ts';
import { LeaderEpochsOfShards } from './leader-epochs-of-shards.ts';
import { type FollowedMetadata, MetadataCopy } from './metadata-copy.ts';
import { MetadataFeed } from './metadata-feed.ts';
import { Outboxes } from './outbox/outboxes.ts';
import { Owners } from './owners.ts';
import { LeastQueues } from './placement.ts';
import { PublishIn } from './publish-in.ts';
import { PublishingElsewhere } from './publishing-elsewhere.ts';
import { QueueService } from './queue-service.ts';
import { QueuesById } from './queues-by-id.ts';
import { RemoteCommands } from './remote-commands.ts';
import { RemoteQueues } from './remote-queues.ts';
import { ServicesElsewhere } from './services/services-elsewhere.ts';
import { ShardedStreams } from './streams/sharded-streams.ts';
import { ShardedTransactions } from './transactions/sharded-transactions.ts';

/** The rooms of the broker that the shards work with: made after them. */
export interface ShardRooms {
  readonly vhosts: VirtualHosts<AnyQueue>;
  readonly access: Access;
  readonly events: Events;
  readonly refused: RefusedMessages;
  readonly allShards: AllShards;
  readonly shareGroups: ShareGroups;
  readonly streams: Streams;
  readonly delays: Delays;
  readonly transactions: Transactions;
  readonly streamExchanges: StreamExchanges;
  /** Beside topology, access and streams, what all shards have in common. */
  readonly copied: readonly SnapshotSection[];
  /** All metadata, as operations. */
  metadata(): readonly string[];
}

/** Of a virtual host that is gone. */
const GONE: RouteVersion = { version: -1 };

/** Of consumers and queues that are in different shards: what this one has to do with them. */
export interface ConsumersElsewhere {
  /** Consumers here of queues elsewhere, and the other way round. */
  readonly remote: number;
  readonly attached: number;
  /** Questions of basic.get here that are not answered, and messages of queues here that it has elsewhere. */
  readonly getting: number;
  readonly got: number;
  /** What is not said yet of deliveries. */
  readonly unsaid: number;
}

/** The broker's place among several shards: what it tells the others, and does for them. */
export class Shards implements ShardService {
  readonly seat: ShardSeat;
  readonly owners: Owners;
  readonly placement: LeastQueues;
  /** In shard 0. */
  readonly partitionPlacement: PartitionPlacement | null;
  readonly partitionShards: PartitionShards;
  readonly epochs: LeaderEpochsOfShards;
  readonly remoteQueues: RemoteQueues;
  readonly consumeService: ConsumeService;
  readonly replies: Replies;
  readonly queues: QueuesById;
  /** What leaves this shard for others, and comes from them. */
  readonly outboxes: Outboxes;
  readonly #publishing: PublishingElsewhere;
  readonly streams: ShardedStreams;
  readonly transactions: ShardedTransactions;
  readonly services: ServicesElsewhere;
  /** In shard 0. */
  readonly feed: MetadataFeed | null;
  /** In shard 0: how many changes of the metadata were journaled since the data directory began. */
  changes = 0;
  #recoveredChanges = 0;
  /** In all others. */
  #copy: MetadataCopy | null = null;
  readonly #followed = new FollowedChanges();
  readonly metadata: KnownMetadata;
  readonly #shard: Shard;
  #rooms!: ShardRooms;
  #commandService: CommandService | null = null;
  #queueService!: QueueService;

  constructor(seat: ShardSeat, shard: Shard) {
    this.seat = seat;
    this.#shard = shard;
    const links = seat.links.filter((link): link is ShardLink => link !== undefined);
    this.feed = seat.number === 0 ? new MetadataFeed(shard, links) : null;
    this.metadata = this.feed ?? this.#followed;
    this.owners = new Owners(seat.number);
    this.placement = new LeastQueues(seat.count, {
      shardOf: (vhost, name) => this.#rooms.vhosts.get(vhost)?.findQueue(name)?.shard ?? null,
      companionOf: (vhost, name, args) => this.#rooms.vhosts.get(vhost)?.companionOf(name, args) ?? null,
    });
    this.partitionPlacement = seat.number === 0 ? new PartitionPlacement(seat.count) : null;
    this.epochs = new LeaderEpochsOfShards(seat, shard);
    this.streams = new ShardedStreams(seat, shard, this.metadata);
    shard.remoteAppends = this.streams;
    this.partitionShards = {
      own: seat.number,
      opened: (id) => this.#partitionOpened(id),
      epochOf: (number) => this.epochs.of(number),
      reads: this.streams.reads,
    };
    this.queues = new QueuesById(this.placement);
    this.services = new ServicesElsewhere(seat);
    this.consumeService = new ConsumeService(seat.rooms, shard);
    this.replies = new Replies(seat, (vhost) => this.#rooms.vhosts.get(vhost)?.directReplies);
    this.#publishing = new PublishingElsewhere(shard, seat.rooms, this.metadata);
    shard.remotePublishing = this.#publishing;
    this.outboxes = new Outboxes({
      shard,
      links: seat.outboxLinks,
      findQueue: (id) => this.queues.local(id),
      findStream: (logId) => this.streams.exchangeWith(logId),
      findDelay: (vhost, dueMs) => this.#rooms.delays.of(vhost)?.arrivalTargets(dueMs),
      findPartition: (logId) => this.streams.partition(logId),
      metadata: this.metadata,
    });
    shard.outboxes = this.outboxes;
    this.outboxes.settlements = new RemoteSettlements(shard, this.consumeService, this.queues);
    this.transactions = new ShardedTransactions(seat, shard, (logId) => this.streams.partition(logId));
    this.outboxes.markers = this.transactions;
    this.remoteQueues = new RemoteQueues(seat, shard.turn, this.metadata, this.#publishing);
  }

  /** The rooms are there: how they are to change the topology. `followed`: null in shard 0. */
  begin(rooms: ShardRooms, followed: FollowedMetadata | null): TopologyCommands<AnyQueue> {
    this.#rooms = rooms;
    const { vhosts, access, events, streams, streamExchanges, copied } = rooms;
    const { turnTime } = this.#shard;
    this.#receive(rooms);
    this.#queueService = new QueueService(vhosts, turnTime, this.consumeService);
    this.streams.begin(streams, streamExchanges);
    this.transactions.begin(rooms.transactions, streams);
    if (followed !== null) {
      const link = this.seat.links[0] as ShardLink;
      const inBackground = this.#shard.inBackground.bind(this.#shard);
      this.#followed.number = followed.number;
      // Clients come when all shards are there.
      this.#followed.toldEverywhere(followed.number);
      this.#copy = new MetadataCopy(
        {
          vhosts,
          access,
          owners: this.owners,
          link,
          turnTime,
          inBackground,
          known: this.#followed,
          streams,
          copied: new SnapshotSections([...copied, streamExchanges]),
        },
        followed.changes,
      );
      return new RemoteCommands(this.seat.number, link, this.owners);
    }
    const commands = new LocalCommands(vhosts, (owner) => this.owners.forget(owner));
    this.#commandService = new CommandService({
      vhosts,
      commands,
      owners: this.owners,
      events,
      turnTime,
      everywhere: (from) => this.#everywhere(from),
    });
    return commands;
  }

  /** Messages of the other shards. */
  #receive({ vhosts, refused }: ShardRooms): void {
    const shard = this.#shard;
    const queues: LocalQueues = {
      get: (id) => this.queues.local(id),
      versionOf: (vhost) => vhosts.get(vhost)?.routeVersion ?? GONE,
    };
    for (const link of this.seat.links) {
      const room = link === undefined ? undefined : this.seat.rooms[link.peer];
      if (link === undefined || room === undefined) continue;
      const publishing = new PublishIn({ shard, room, link, refused, queues, metadata: this.metadata });
      room.door.receiveServed(FRAME_PUBLISH, publishing);
    }
  }

  /** The journal is read: others are answered. */
  recovered(): void {
    this.seat.begin(this.#shard.turn);
    this.seat.serve(this);
    this.epochs.tell();
    this.transactions.recovered();
  }

  /** The metadata is read from the data directory. */
  metadataRecovered(): void {
    this.#recoveredChanges = this.changes;
    if (this.feed !== null) this.feed.durableChanges = this.changes;
  }

  /** What the declaration of a stream says here, where it is not journaled: that there is such a log. */
  #partitionOpened(id: number): void {
    if (this.seat.number === 0 || this.#shard.isRecovering) return;
    this.#shard.record(encodeQueueOperation({ op: 'queue-state.open', id, change: this.followedChange }));
  }

  /** How many changes of shard 0 are known here; 0 in shard 0. */
  get followedChange(): number {
    return this.#copy?.changes ?? 0;
  }

  /** A change of metadata was made here, in shard 0. `block`: where it is journaled; 0 if it is not. */
  changed(operation: Uint8Array, block: number): void {
    if (this.feed === null) throw new Error('only shard 0 changes the metadata');
    if (block !== 0) this.changes++;
    this.feed.add(operation, block, this.changes);
  }

  /** What follows from a change, and is not counted as one. */
  implied(operation: Uint8Array, block: number): void {
    this.feed?.add(operation, block, this.changes);
  }

  /** Whether all changes so far are in effect in all shards. */
  get isEverywhere(): boolean {
    return this.feed?.isEverywhere ?? this.#followed.isEverywhere;
  }

  /** `listener` is called when all changes so far are durable, and in effect in all shards. */
  whenEverywhere(listener: () => void): void {
    const { feed } = this;
    if (feed === null) this.#whenFollowedEverywhere(listener);
    else
      this.#shard.whenDurable(this.#shard.metadataBlock, { onDurable: () => feed.whenEverywhere(listener) });
  }

  /** In shard 0: resolves when all changes so far are everywhere, and the other shard knows. */
  async #everywhere(from: number): Promise<void> {
    await new Promise<void>((resolve) => this.whenEverywhere(resolve));
    this.seat.links[from]?.tell({ op: 'metadata.everywhere', number: this.feed?.everywhere ?? 0 });
  }

  /** What was changed for this shard is everywhere when it is answered; what others have changed may be known here first. */
  #whenFollowedEverywhere(listener: () => void): void {
    if (this.#followed.isEverywhere) listener();
    else void this.#settle(this.seat.number).then(listener);
  }

  /** What virtual hosts need where there are several shards. */
  get topology(): Pick<VirtualHostDeps<AnyQueue>, 'placement' | 'owners' | 'repliesElsewhere'> {
    const { placement, owners, replies } = this;
    return { placement, owners, repliesElsewhere: (vhost) => replies.elsewhere(vhost) };
  }

  consumersElsewhere(): ConsumersElsewhere {
    const { homes } = this.remoteQueues;
    const { peers } = this.consumeService;
    return {
      remote: sum(homes, ({ consumers }) => consumers.size),
      attached: sum(peers, ({ size }) => size),
      getting: sum(homes, ({ gets }) => gets.pendingCount),
      got: sum(peers, ({ gets }) => gets.count),
      unsaid: sum(homes, ({ settles }) => settles.pendingCount),
    };
  }

  answer(from: number, question: ShardNote): Promise<Json> | Json {
    if (question.op === 'metadata.follow') return this.#follow(from, question);
    if (question.op === 'metadata.settle') return this.#settle(from);
    const { metadata } = question;
    if (typeof metadata !== 'number' || metadata <= this.metadata.number) return this.#answer(from, question);
    return new Promise((resolve) => {
      this.metadata.whenKnown(metadata, () => resolve(this.#answer(from, question)));
    });
  }

  async #answer(from: number, question: ShardNote): Promise<Json> {
    const answer =
      this.#commandService?.answer(from, question) ??
      this.streams.answer(from, question) ??
      this.#queueService.answer(from, question) ??
      this.replies.answer(question) ??
      this.#rooms.shareGroups.answer(question) ??
      this.#rooms.allShards.answer(from, question);
    if (answer !== null) return answer;
    throw new Error(
      `shard ${from} asks for '${question.op}', which shard ${this.seat.number} does not answer`,
    );
  }

  told(from: number, note: ShardNote): void {
    if (this.transactions.told(from, note)) return;
    switch (note.op) {
      case 'metadata':
        this.#copy?.told(note);
        return;
      case 'metadata.everywhere':
        this.#followed.toldEverywhere(number(note, 'number'));
        return;
      case 'metadata.applied':
        this.feed?.applied(from, number(note, 'number'));
        return;
      case 'queue.remove':
        this.#commandService?.removeQueue(note);
        return;
      case 'queues.pause':
      case 'queues.resume':
        this.queues.pause(note.ids as readonly number[], note.op === 'queues.pause');
        if (note.op === 'queues.resume') this.#publishing.relieve();
        return;
      case 'shard.epoch':
        this.epochs.told(from, number(note, 'epoch'));
        return;
      case 'share.release':
        this.#rooms.shareGroups.release(note);
        return;
      case 'partitions.listen':
        this.metadata.whenKnown(number(note, 'metadata'), () => this.streams.listen(from, note));
        return;
      case 'queue.touch':
        this.#queueService.touch(note);
        return;
      case 'queue.get':
        this.metadata.whenKnown(number(note, 'metadata'), () => this.#queueService.get(from, note));
        return;
      default:
        throw new Error(`shard ${from} tells of '${note.op}', which shard ${this.seat.number} does not know`);
    }
  }

  /** Answered when what was asked of shard 0 so far from here is in effect in all shards. */
  async #settle(from: number): Promise<Json> {
    const { feed, seat } = this;
    if (feed === null) return (seat.links[0] as ShardLink).ask({ op: 'metadata.settle' });
    await this.#everywhere(from);
    return true;
  }

  /** What is not durable may be taken back by a crash, and is told when it is. */
  #follow(from: number, question: ShardNote): Promise<Json> {
    const { feed } = this;
    if (feed === null) throw new Error('only shard 0 is followed');
    const all = (): readonly string[] => this.#rooms.metadata();
    return new Promise((resolve) => {
      feed.whenAllTold(() => {
        const page = feed.begin(from, number(question, 'from'), all);
        resolve({ ...page, changes: feed.durableChanges, recoveredChanges: this.#recoveredChanges });
      });
    });
  }
}

function sum<T>(all: readonly (T | undefined)[], count: (each: T) => number): number {
  return all.reduce((total, each) => total + (each === undefined ? 0 : count(each)), 0);
}
