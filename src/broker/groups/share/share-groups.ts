import type { Access } from '../../access/access.ts';
import { ObjectCounter } from '../../budget/object-counter.ts';
import { ObjectQuotas } from '../../budget/object-quotas.ts';
import type { Shard } from '../../shard/shard.ts';
import type { SnapshotSection } from '../../shard/snapshot-section.ts';
import { offsetAtTime } from '../../streams/consumers/offset-at-time.ts';
import type { Partition, PartitionOwner } from '../../streams/partition.ts';
import type { Stream } from '../../streams/stream.ts';
import type { StreamObserver, Streams } from '../../streams/streams.ts';
import { deadLetterTopic } from '../dead-letter-owner.ts';
import type { GroupConfigs } from '../group-configs.ts';
import { GroupError } from '../group-error.ts';
import { refuse } from '../group-quotas.ts';
import type { Groups } from '../groups.ts';
import type { OtherGroups } from '../ports.ts';
import { type DeadRecordSource, DeadRecords } from './dead-records.ts';
import {
  LEAVE_EPOCH,
  ShareGroup,
  type ShareGroupDeps,
  type ShareHeartbeat,
  type ShareHeartbeatOutcome,
} from './share-group.ts';
import {
  decodeShareOperation,
  encodeShareOperation,
  type ShareOperation,
  type ShareStart,
} from './share-operations.ts';
import { SharePartition } from './share-partition.ts';
import { ShareReader } from './share-reader.ts';
import { shareSettings } from './share-settings.ts';

export interface ShareGroupsDeps {
  readonly shard: Shard;
  readonly streams: Streams;
  readonly configs: GroupConfigs;
  /** Asked for when records are given up: it is made later than the groups. */
  access(): Access;
  /** Those of other kinds: a name is one group's. */
  readonly groups: Groups;
  /** Without them nothing is limited. */
  readonly quotas?: ObjectQuotas;
  onProblem(fields: object, message: string): void;
}

const MEMBERS_MAX = 200;

/**
 * All share groups of a broker (KIP-932), by virtual host and name. Members are not kept over a restart: they join again
 * under the ids that they have. How far a group is, record by record, is.
 */
export class ShareGroups implements SnapshotSection, StreamObserver, OtherGroups {
  readonly prefix = 'share';
  readonly type = 'share';
  readonly #deps: ShareGroupsDeps;
  readonly #quotas: ObjectQuotas;
  readonly #byVhost = new Map<string, Map<string, ShareGroup>>();
  readonly #byId = new Map<number, SharePartition>();
  readonly #dead: DeadRecords;
  /** Groups that may not write to their dead-letter topic, and what the log has of it. */
  readonly #told = new WeakMap<ShareGroup, string>();
  /** Partitions, by id, and groups that are about to begin on them. */
  readonly #searching = new Set<string>();
  #nextId = 1;
  #isStopped = false;

  constructor(deps: ShareGroupsDeps) {
    this.#deps = deps;
    this.#quotas = deps.quotas ?? new ObjectQuotas();
    this.#dead = new DeadRecords({
      shard: deps.shard,
      onFailure: ({ group, partition }, error) =>
        deps.onProblem(
          { err: error, group, stream: partition.stream.name, partition: partition.index },
          'records that a share group gave up cannot be moved yet',
        ),
    });
    deps.configs.onChange((vhost, id) => this.find(vhost, id)?.configured());
    deps.streams.observe(this);
    deps.groups.register(this);
  }

  find(vhost: string, id: string): ShareGroup | undefined {
    return this.#byVhost.get(vhost)?.get(id);
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
    refuse(this.#quotas.refusal('groups', this.#quotas.account(user), vhost));
    return this.#create(vhost, id, user);
  }

  /** @throws GroupError */
  heartbeat(vhost: string, id: string, request: ShareHeartbeat): ShareHeartbeatOutcome {
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

  /** What the group has of this partition; undefined if it does not read it. */
  reader(group: ShareGroup, streamId: string, partition: number): ShareReader | undefined {
    const known = group.readers.get(streamId)?.get(partition);
    if (known !== undefined) return known;
    if (group.isRemoved) return undefined;
    const stream = this.#deps.streams.byId(streamId);
    if (stream === undefined || stream.vhost !== group.vhost || stream.partitions[partition] === undefined) {
      return undefined;
    }
    this.#begin(group, stream);
    return group.readers.get(streamId)?.get(partition);
  }

  /** The group begins at these offsets. @throws GroupError group-not-empty, limit-reached, unavailable */
  alter(group: ShareGroup, stream: Stream, starts: ReadonlyMap<number, number>): void {
    if (!group.isEmpty) throw notEmpty(group.id);
    const known = group.readers.get(stream.id);
    let added = 0;
    for (const index of starts.keys()) if (known?.has(index) !== true) added++;
    if (added > 0) refuse(this.#quotas.refusal('share-partitions', group.account, group.vhost, added));
    for (const [index, head] of starts) {
      const id = known?.get(index)?.share.id ?? this.#nextId;
      this.#start(group, stream, index, id, head);
    }
  }

  /** The group knows nothing of the stream any more. @throws GroupError group-not-empty */
  forget(group: ShareGroup, streamId: string): void {
    if (!group.isEmpty) throw notEmpty(group.id);
    if (!group.readers.has(streamId)) return;
    this.#record({ op: 'share.forget', v: group.vhost, g: group.id, stream: streamId });
    this.#forget(group, streamId);
  }

  /** @throws GroupError group-not-found, group-not-empty */
  delete(vhost: string, id: string): void {
    const group = this.find(vhost, id);
    if (group === undefined) throw new GroupError('group-not-found', `Group ${id} not found.`);
    if (!group.isEmpty) throw notEmpty(id);
    this.#record({ op: 'share.delete', v: vhost, g: id });
    this.#remove(group);
  }

  /** With the virtual host goes what is in it. */
  deleteAll(vhost: string): void {
    for (const group of this.#byVhost.get(vhost)?.values() ?? []) {
      this.#record({ op: 'share.delete', v: vhost, g: group.id });
      this.#remove(group);
    }
    this.#byVhost.delete(vhost);
  }

  streamAdded({ vhost }: Stream): void {
    this.#streamsChanged(vhost);
  }

  streamChanged({ vhost }: Stream): void {
    this.#streamsChanged(vhost);
  }

  /** Not journaled: that the stream is gone is. */
  streamRemoved({ vhost, id }: Stream): void {
    for (const group of this.#byVhost.get(vhost)?.values() ?? []) this.#forget(group, id);
    this.#streamsChanged(vhost);
  }

  apply(bytes: Uint8Array): void {
    const operation = decodeShareOperation(bytes);
    if (operation.op === 'share.progress') {
      this.#byId.get(operation.id)?.replay(operation.s, operation.c);
      return;
    }
    const group = this.find(operation.v, operation.g);
    switch (operation.op) {
      case 'share.group':
        (group ?? this.#add(operation.v, operation.g, operation.u)).epoch = operation.epoch;
        return;
      case 'share.start':
        if (group !== undefined) this.#applyStart(group, operation);
        return;
      case 'share.forget':
        if (group !== undefined) this.#forget(group, operation.stream);
        return;
      case 'share.delete':
        if (group !== undefined) this.#remove(group);
    }
  }

  *snapshot(): Iterable<Uint8Array> {
    for (const groups of this.#byVhost.values()) {
      for (const group of groups.values()) {
        const { vhost: v, id: g, readers } = group;
        yield encodeShareOperation(groupOperation(group));
        for (const [stream, partitions] of readers) {
          for (const [partition, { share }] of partitions) {
            const { id, settled } = share;
            const [s, c] = [settled.state(), share.counts()];
            yield encodeShareOperation({
              op: 'share.start',
              v,
              g,
              stream,
              partition,
              id,
              head: settled.head,
              s,
              c,
            });
          }
        }
      }
    }
  }

  recovered(): void {
    for (const share of this.#byId.values()) share.recovered();
  }

  stop(): void {
    this.#isStopped = true;
    for (const groups of this.#byVhost.values()) for (const group of groups.values()) group.stop();
  }

  #create(vhost: string, id: string, user: string | undefined): ShareGroup {
    const group = this.#add(vhost, id, user);
    this.#record(groupOperation(group));
    return group;
  }

  #add(vhost: string, id: string, user: string | undefined): ShareGroup {
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
      begin: (group, { id: streamId }) => {
        const stream = streams.byId(streamId);
        if (stream !== undefined) this.#begin(group, stream);
      },
    };
    const account = this.#quotas.account(user);
    const group = new ShareGroup(vhost, id, deps, account);
    groups.set(id, group);
    this.#quotas.change('groups', account, vhost, 1);
    return group;
  }

  /** The group begins on the partitions of the stream that it did not read before. */
  #begin(group: ShareGroup, stream: Stream): void {
    const { reset } = group.settings;
    const readers = group.readers.get(stream.id);
    if (!this.#mayRead(group, stream.partitions.length - (readers?.size ?? 0))) return;
    for (const partition of stream.partitions) {
      const { index, startOffset, highWatermark } = partition;
      if (readers?.has(index) === true) continue;
      if (reset.kind === 'duration') this.#beginAt(group, partition, this.#deps.shard.clock.now() - reset.ms);
      else
        this.#start(
          group,
          stream,
          index,
          this.#nextId,
          reset.kind === 'latest' ? highWatermark : startOffset,
        );
    }
  }

  /** Where that is has to be looked up; until then members are given nothing. */
  #beginAt(group: ShareGroup, partition: Partition, timestampMs: number): void {
    const key = `${partition.id} ${group.id}`;
    if (this.#searching.has(key)) return;
    this.#searching.add(key);
    const { stream, index } = partition;
    offsetAtTime(partition, timestampMs)
      .then((head) => {
        const isWanted = !group.isRemoved && !stream.isRemoved && !this.#isStopped;
        if (isWanted && group.readers.get(stream.id)?.has(index) !== true) {
          this.#start(group, stream, index, this.#nextId, head);
        }
      })
      .catch((error: unknown) =>
        this.#deps.onProblem(
          { err: error, group: group.id, stream: stream.name, partition: index },
          'a share group cannot begin on a partition',
        ),
      )
      .finally(() => this.#searching.delete(key));
  }

  #start(group: ShareGroup, stream: PartitionOwner, partition: number, id: number, head: number): void {
    const { vhost: v, id: g } = group;
    const operation: ShareStart = {
      op: 'share.start',
      v,
      g,
      stream: stream.id,
      partition,
      id,
      head,
      s: [],
      c: [],
    };
    this.#record(operation);
    this.#applyStart(group, operation);
  }

  #applyStart(group: ShareGroup, { stream: streamId, partition: index, id, head, s, c }: ShareStart): void {
    this.#nextId = Math.max(this.#nextId, id + 1);
    const partition = this.#deps.streams.byId(streamId)?.partitions[index];
    if (partition === undefined) return;
    let readers = group.readers.get(streamId);
    if (readers === undefined) group.readers.set(streamId, (readers = new Map()));
    let reader = readers.get(index);
    if (reader === undefined) {
      reader = this.#newReader(group, partition, id);
      this.#quotas.change('share-partitions', group.account, group.vhost, 1);
    }
    readers.set(index, reader);
    reader.share.begin(head, s, c);
  }

  #newReader(group: ShareGroup, partition: Partition, id: number): ShareReader {
    const { clock, scheduler } = this.#deps.shard;
    const share: SharePartition = new SharePartition({
      id,
      clock,
      scheduler,
      settings: () => group.settings,
      counter: new ObjectCounter(this.#quotas, 'records-in-flight', group.account, group.vhost),
      progress: (s, c) => this.#record({ op: 'share.progress', id, s, c }),
      giveUp: (records) => this.#dead.send(source, records),
    });
    const source: DeadRecordSource = {
      share,
      partition,
      group: group.id,
      target: () => this.#deadStream(group),
    };
    this.#byId.set(id, share);
    return new ShareReader(share, partition, () => group.settings.readsUncommitted);
  }

  #deadStream(group: ShareGroup): Stream | null {
    const name = group.settings.deadLetterStream;
    if (name === null) return null;
    const { configs, access, streams } = this.#deps;
    const owner = configs.ownerOf(group.vhost, group.id);
    const found = deadLetterTopic({ access: access(), streams }, group.vhost, name, owner);
    if (typeof found !== 'string') {
      this.#told.delete(group);
      return found;
    }
    if (this.#told.get(group) !== found) {
      this.#told.set(group, found);
      this.#deps.onProblem({ group: group.id, vhost: group.vhost, stream: name }, found);
    }
    return null;
  }

  #forget(group: ShareGroup, streamId: string): void {
    const readers = group.readers.get(streamId);
    if (readers === undefined) return;
    for (const { share } of readers.values()) this.#byId.delete(share.id);
    this.#quotas.change('share-partitions', group.account, group.vhost, -readers.size);
    group.forget(streamId);
  }

  #remove(group: ShareGroup): void {
    const { account, vhost } = group;
    for (const { share } of group.allReaders()) {
      this.#byId.delete(share.id);
      this.#quotas.change('share-partitions', account, vhost, -1);
    }
    group.remove();
    this.#resized(group, 0);
    this.#quotas.change('groups', account, vhost, -1);
    this.#byVhost.get(group.vhost)?.delete(group.id);
  }

  #resized(group: ShareGroup, members: number): void {
    if (group.isRemoved) members = 0;
    this.#quotas.change('members', group.account, group.vhost, members - group.countedMembers);
    group.countedMembers = members;
  }

  /** Whether the group may begin on so many partitions more; otherwise its members get nothing from the stream. */
  #mayRead(group: ShareGroup, partitions: number): boolean {
    if (partitions <= 0) return true;
    const refusal = this.#quotas.refusal('share-partitions', group.account, group.vhost, partitions);
    if (refusal === null) return true;
    if (!group.isRefusalLogged) {
      group.isRefusalLogged = true;
      this.#deps.shard.log.warn(
        { group: group.id, vhost: group.vhost, reason: refusal.text },
        'a share group cannot read more',
      );
    }
    return false;
  }

  #streamsChanged(vhost: string): void {
    for (const group of this.#byVhost.get(vhost)?.values() ?? []) group.streamsChanged();
  }

  #record(operation: ShareOperation): void {
    this.#deps.shard.record(encodeShareOperation(operation));
  }
}

function groupOperation({ vhost: v, id: g, epoch, account }: ShareGroup): ShareOperation {
  const user = account?.openName ?? null;
  return { op: 'share.group', v, g, epoch, ...(user === null ? {} : { u: user }) };
}

function notEmpty(id: string): GroupError {
  return new GroupError('group-not-empty', `Group ${id} is not empty.`);
}
