import { randomBytes } from 'node:crypto';
import { awaited, type Work } from '../../../base/turn-time.ts';
import type { Json } from '../../../base/value-json.ts';
import { ObjectQuotas } from '../../budget/object-quotas.ts';
import type { ShardNote } from '../../doors/shard-link.ts';
import type { SnapshotSection } from '../../shard/snapshot-section.ts';
import { ownPartition } from '../../streams/any-partition.ts';
import type { Partition } from '../../streams/partition.ts';
import type { Stream } from '../../streams/stream.ts';
import type { StreamObserver } from '../../streams/streams.ts';
import { GroupError } from '../group-error.ts';
import { refuse } from '../group-quotas.ts';
import type { OtherGroups } from '../ports.ts';
import {
  type AskedShares,
  type MovedShare,
  OwnShares,
  type ShareOffset,
  type StreamTargets,
} from './own-shares.ts';
import type { ShareGroupsDeps } from './ports.ts';
import {
  isAsking,
  LEAVE_EPOCH,
  ShareGroup,
  type ShareGroupDeps,
  type ShareHeartbeat,
  type ShareHeartbeatOutcome,
} from './share-group.ts';
import { type ShareGroupName, ShareGroupNames } from './share-group-names.ts';
import {
  decodeShareOperation,
  encodeShareOperation,
  groupNames,
  type ShareOperation,
} from './share-operations.ts';
import type { SharePartition } from './share-partition.ts';
import { SharePartitions } from './share-partitions.ts';
import type { ShareReader } from './share-reader.ts';
import { ShareService } from './share-service.ts';
import { shareSettings } from './share-settings.ts';
import { SharesElsewhere } from './shares-elsewhere.ts';

const MEMBERS_MAX = 200;
/** How long a member waits for shards that begin on their partitions: then it has what it had, and learns the rest later. */
const DIVISION_MS_MAX = 3000;

/**
 * All share groups of a broker (KIP-932), by virtual host and name. Members are not kept over a restart: they join again
 * under the ids that they have. How far a group is, record by record, is. With several shards the members of all groups are in
 * shard 0, which alone makes and changes groups: see docs/design/shard-share.md.
 */
export class ShareGroups implements SnapshotSection, StreamObserver, OtherGroups {
  readonly prefix = 'share';
  readonly type = 'share';
  readonly #deps: ShareGroupsDeps;
  readonly #quotas: ObjectQuotas;
  readonly #byVhost = new Map<string, Map<string, ShareGroup>>();
  readonly #partitions: SharePartitions;
  /** Which groups there are: what all shards follow. */
  readonly names: ShareGroupNames;
  readonly #own: OwnShares;
  readonly #service: ShareService;
  /** False in all shards but 0. */
  readonly #hasMembers: boolean;
  /** In shard 0 of several. */
  readonly #elsewhere: SharesElsewhere | null;

  constructor(deps: ShareGroupsDeps) {
    this.#deps = deps;
    const { shard, streams, seat } = deps;
    this.#hasMembers = (seat?.number ?? 0) === 0;
    this.#quotas = deps.quotas ?? new ObjectQuotas();
    const partitions = new SharePartitions(deps, this.#quotas);
    this.#partitions = partitions;
    this.names = new ShareGroupNames({
      record: (operation) => deps.recordMetadata(operation),
      add: (name, user) => this.#added(name, user),
      remove: (name) => this.#removed(name),
      all: () => this.#named(),
    });
    const forgotten = (group: ShareGroup, stream: string): void =>
      this.#record({ op: 'share.forget', ...groupNames(group), stream });
    const own = new OwnShares({ streams, quotas: this.#quotas, partitions, forgotten });
    this.#own = own;
    const find = (name: ShareGroupName): ShareGroup | undefined => this.#find(name);
    const everywhere = (): Promise<void> => deps.everywhere();
    this.#service = new ShareService({ shard, partitions, own, find, everywhere });
    this.#elsewhere = seat === null || !this.#hasMembers ? null : new SharesElsewhere({ ...deps, seat });
    deps.configs.onChange((vhost, id) => this.find(vhost, id)?.configured());
    deps.streams.observe(this);
    deps.groups.register(this);
  }

  find(vhost: string, id: string): ShareGroup | undefined {
    return this.#byVhost.get(vhost)?.get(id);
  }

  /** The group, if it is this one, and not another one of the same name. */
  #find({ vhost, id, incarnation }: ShareGroupName): ShareGroup | undefined {
    const group = this.find(vhost, id);
    return group?.incarnation === incarnation ? group : undefined;
  }

  has(vhost: string, id: string): boolean {
    return this.find(vhost, id) !== undefined;
  }

  list(vhost: string): readonly ShareGroup[] {
    return [...(this.#byVhost.get(vhost)?.values() ?? [])];
  }

  /**
   * The group of this name, made if there is none.
   * @throws GroupError group-not-found if it is one of another kind; limit-reached, unavailable
   */
  ensure(vhost: string, id: string, user?: string): ShareGroup {
    const group = this.find(vhost, id);
    if (group === undefined && this.#deps.groups.find(vhost, id) !== undefined) {
      throw new GroupError('group-not-found', `Group ${id} is not a share group.`);
    }
    if (group !== undefined) return group;
    this.#assertMembersHere();
    refuse(this.#quotas.refusal('groups', this.#quotas.account(user), vhost));
    return this.#create(vhost, id, user);
  }

  /** What shards other than 0 are asked by mistake. @throws GroupError unavailable */
  #assertMembersHere(): void {
    if (this.#hasMembers) return;
    throw new GroupError('unavailable', 'the members of share groups are in shard 0');
  }

  /** @throws GroupError */
  heartbeat(vhost: string, id: string, request: ShareHeartbeat): ShareHeartbeatOutcome {
    this.#assertMembersHere();
    const isKnown = this.has(vhost, id) || this.#deps.groups.find(vhost, id) !== undefined;
    if (!isKnown && request.epoch === LEAVE_EPOCH) {
      throw new GroupError('group-not-found', `Group ${id} not found.`);
    }
    if (!isKnown && request.epoch > 0) {
      throw new GroupError('unknown-member', `Member ${request.memberId} is not a member of group ${id}.`);
    }
    const group = this.ensure(vhost, id, request.user);
    if (request.epoch === 0 && !group.members.has(request.memberId)) {
      refuse(this.#quotas.refusal('members', group.account, vhost));
    }
    try {
      return group.heartbeat(request);
    } finally {
      this.#resized(group, group.members.size);
    }
  }

  /**
   * The answer to a heartbeat, when its group has begun in other shards on what the member reads: it is told of those
   * partitions then. @throws GroupError unknown-member
   */
  *divided(
    vhost: string,
    id: string,
    request: ShareHeartbeat,
    outcome: ShareHeartbeatOutcome,
  ): Work<ShareHeartbeatOutcome> {
    const group = this.find(vhost, id);
    const division = request.epoch === LEAVE_EPOCH || !isAsking(request) ? null : group?.division;
    if (group === undefined || division == null) return outcome;
    yield this.#atMost(division, DIVISION_MS_MAX);
    const member = group.members.get(request.memberId);
    return member === undefined ? outcome : group.reconcile(member, request);
  }

  #atMost(promise: Promise<void>, ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#deps.shard.scheduler.after(ms, resolve);
      void promise.then(() => {
        timer.cancel();
        resolve();
      });
    });
  }

  /** What the group has of this partition; undefined if it does not read it, or it is in another shard. */
  reader(group: ShareGroup, streamId: string, partition: number): ShareReader | undefined {
    const known = group.readers.get(streamId)?.get(partition);
    if (known !== undefined) return known;
    if (group.isRemoved) return undefined;
    const stream = this.#deps.streams.byId(streamId);
    const own = ownPartition(stream?.partitions[partition]);
    if (stream === undefined || stream.vhost !== group.vhost || own === undefined) return undefined;
    // What else there is of the stream is begun on when it is divided.
    this.#partitions.beginOn(group, own);
    return group.readers.get(streamId)?.get(partition);
  }

  /**
   * Where the group begins from now on, and where it did, by stream and in the order of the partitions. With `isWanted` false that is
   * found out and nothing changes. What it says is durable in other shards, not here. @throws GroupError group-not-empty, limit-reached, unavailable
   */
  *move(group: ShareGroup, streams: readonly StreamTargets[], isWanted = true): Work<MovedShare[]> {
    this.#assertMembersHere();
    const check = (): void => {
      if (!group.isEmpty) throw notEmpty(group.id);
    };
    check();
    const others =
      this.#elsewhere === null ? [] : yield* awaited(this.#elsewhere.move(group, streams, isWanted));
    const own = yield* this.#own.move(group, streams, isWanted, check);
    return others.length === 0 ? own : inOrder([...own, ...others]);
  }

  /** The group knows nothing of the streams any more, in all shards; durable in others. @throws GroupError group-not-empty */
  *forget(group: ShareGroup, streamIds: readonly string[]): Work<void> {
    this.#assertMembersHere();
    if (!group.isEmpty) throw notEmpty(group.id);
    if (this.#elsewhere !== null) yield this.#elsewhere.forget(group, streamIds);
    for (const id of streamIds) {
      this.#own.forget(group, id);
      yield;
    }
  }

  /** How far groups are, in all shards; of each in the order of streams and partitions. */
  *offsets(asked: readonly AskedShares<ShareGroup>[]): Work<ReadonlyMap<ShareGroup, readonly ShareOffset[]>> {
    const elsewhere = asked.length === 0 ? null : this.#elsewhere;
    const others = elsewhere === null ? [] : yield* awaited(elsewhere.offsets(asked));
    const found = new Map<ShareGroup, readonly ShareOffset[]>();
    for (const [at, { group, streamIds }] of asked.entries()) {
      const own = yield* this.#own.offsets(group, streamIds);
      found.set(group, elsewhere === null ? own : inOrder([...own, ...others[at]]));
      yield;
    }
    return found;
  }

  /** Of another shard. Null if it is no question of share groups. */
  answer(question: ShardNote): Promise<Json> | null {
    return this.#service.answer(question);
  }

  /** Told by shard 0: members are gone. */
  release(note: ShardNote): void {
    this.#service.release(note);
  }

  /** In other shards when these are told of it. @throws GroupError group-not-found, group-not-empty */
  delete(vhost: string, id: string): void {
    this.#assertMembersHere();
    const group = this.find(vhost, id);
    if (group === undefined) throw new GroupError('group-not-found', `Group ${id} not found.`);
    if (!group.isEmpty) throw notEmpty(id);
    this.names.delete(group);
  }

  /** With the virtual host goes what is in it. */
  deleteAll(vhost: string): void {
    for (const group of this.list(vhost)) this.names.delete(group);
  }

  streamAdded(stream: Stream): void {
    this.#streamChanged(stream);
  }

  streamChanged(stream: Stream): void {
    this.#streamChanged(stream);
  }

  /** Not journaled: that the stream is gone is. */
  streamRemoved(stream: Stream): void {
    for (const group of this.#byVhost.get(stream.vhost)?.values() ?? []) {
      this.#partitions.forget(group, stream.id);
      this.#elsewhere?.streamRemoved(group, stream.id);
    }
    this.#streamChanged(stream);
  }

  apply(bytes: Uint8Array): void {
    const operation = decodeShareOperation(bytes);
    if (operation.op === 'share.progress') {
      this.#partitions.applyProgress(operation);
      return;
    }
    const { v: vhost, g: id } = operation;
    switch (operation.op) {
      case 'share.group':
        if (!this.has(vhost, id)) this.#added({ vhost, id, incarnation: '' }, operation.u ?? null);
        (this.find(vhost, id) as ShareGroup).epoch = operation.epoch;
        return;
      case 'share.start':
        this.#partitions.applyStart(this.#find(nameIn(operation)), operation);
        return;
      case 'share.forget': {
        const group = this.#find(nameIn(operation));
        if (group !== undefined) this.#partitions.forget(group, operation.stream);
        return;
      }
      case 'share.delete':
        this.#removed({ vhost, id, incarnation: '' });
    }
  }

  *snapshot(): Iterable<Uint8Array> {
    for (const groups of this.#byVhost.values()) {
      for (const group of groups.values()) {
        if (this.#hasMembers) yield encodeShareOperation(groupOperation(group));
        for (const [stream, partitions] of group.readers) {
          for (const [partition, { share }] of partitions)
            yield startOf(group, stream, partition, share, share.id);
        }
      }
    }
  }

  /** How far groups are on a partition of this shard: for the snapshot of the shard that takes it, whose groups are `target`. */
  *takenBy(target: ShareGroups, { stream, index }: Partition): Iterable<Uint8Array> {
    for (const group of this.#byVhost.get(stream.vhost)?.values() ?? []) {
      const share = group.readers.get(stream.id)?.get(index)?.share;
      if (share !== undefined) yield startOf(group, stream.id, index, share, target.#partitions.newId());
    }
  }

  recovered(): void {
    this.#partitions.recovered();
  }

  stop(): void {
    this.#partitions.stop();
    for (const groups of this.#byVhost.values()) for (const group of groups.values()) group.stop();
  }

  *#named(): Generator<ShareGroupName & { readonly user: string | null }> {
    for (const groups of this.#byVhost.values()) {
      for (const { vhost, id, incarnation, account } of groups.values()) {
        yield { vhost, id, incarnation, user: account?.openName ?? null };
      }
    }
  }

  #create(vhost: string, id: string, user: string | undefined): ShareGroup {
    const incarnation = randomBytes(9).toString('base64url');
    this.names.create({ vhost, id, incarnation }, this.#quotas.account(user)?.openName ?? null);
    return this.find(vhost, id) as ShareGroup;
  }

  #added(name: ShareGroupName, user: string | null): void {
    if (this.#find(name) !== undefined) return;
    const { vhost, id } = name;
    const groups = this.#byVhost.get(vhost) ?? new Map<string, ShareGroup>();
    this.#byVhost.set(vhost, groups);
    const { streams, configs } = this.#deps;
    const { clock, scheduler } = this.#deps.shard;
    const deps: ShareGroupDeps = {
      clock,
      scheduler,
      streams,
      membersMax: MEMBERS_MAX,
      settings: () => shareSettings(configs.of(vhost, id)),
      epochChanged: (group) => this.#record(groupOperation(group)),
      resized: (group) => this.#resized(group, group.members.size),
      begin: (group, { id: streamId }) => this.#partitions.begin(group, streamId),
      elsewhere: this.#elsewhere,
      run: async (work) => {
        try {
          await this.#deps.shard.turnTime.run(work);
        } catch (error) {
          this.#deps.onProblem(
            { err: error, vhost, group: id },
            'the members of a share group cannot be served',
          );
        }
      },
    };
    const account = this.#quotas.account(user);
    const group = new ShareGroup(name, deps, account);
    groups.set(id, group);
    this.#count(group, 1);
  }

  #removed(name: ShareGroupName): void {
    const group = this.#find(name);
    if (group === undefined) return;
    group.remove();
    // Last, as they keep the account.
    this.#partitions.forgetAll(group);
    this.#resized(group, 0);
    this.#count(group, -1);
    const groups = this.#byVhost.get(group.vhost);
    if (groups?.delete(group.id) === true && groups.size === 0) this.#byVhost.delete(group.vhost);
  }

  /** Once in all shards: it is one group. */
  #count({ account, vhost }: ShareGroup, difference: 1 | -1): void {
    if (this.#hasMembers) this.#quotas.change('groups', account, vhost, difference);
  }

  #resized(group: ShareGroup, members: number): void {
    if (group.isRemoved) members = 0;
    this.#quotas.change('members', group.account, group.vhost, members - group.countedMembers);
    group.countedMembers = members;
  }

  #streamChanged({ vhost, name }: Stream): void {
    for (const group of this.#byVhost.get(vhost)?.values() ?? []) group.streamChanged(name);
  }

  #record(operation: ShareOperation): void {
    this.#deps.shard.record(encodeShareOperation(operation));
  }
}

function groupOperation({ vhost: v, id: g, epoch, account }: ShareGroup): ShareOperation {
  const user = account?.openName ?? null;
  return { op: 'share.group', v, g, epoch, ...(user === null ? {} : { u: user }) };
}

function nameIn({ v: vhost, g: id, i: incarnation = '' }: ReturnType<typeof groupNames>): ShareGroupName {
  return { vhost, id, incarnation };
}

/** The streams as they came, the partitions of each in order. */
function inOrder<T extends { readonly streamId: string; readonly index: number }>(places: readonly T[]): T[] {
  const byStream = new Map<string, T[]>();
  for (const place of places) {
    const of = byStream.get(place.streamId);
    if (of === undefined) byStream.set(place.streamId, [place]);
    else of.push(place);
  }
  return [...byStream.values()].flatMap((of) => of.sort((a, b) => a.index - b.index));
}

function notEmpty(id: string): GroupError {
  return new GroupError('group-not-empty', `Group ${id} is not empty.`);
}

/** How far a group is on a partition. `id`: by which its progress is told in the shard that this is for. */
function startOf(
  group: ShareGroup,
  stream: string,
  partition: number,
  share: SharePartition,
  id: number,
): Uint8Array {
  return encodeShareOperation({
    op: 'share.start',
    ...groupNames(group),
    stream,
    partition,
    id,
    head: share.settled.head,
    s: share.settled.state(),
    c: share.counts(),
  });
}
