import { ObjectQuotas } from '../../budget/object-quotas.ts';
import type { SnapshotSection } from '../../shard/snapshot-section.ts';
import { ownPartition } from '../../streams/any-partition.ts';
import type { Stream } from '../../streams/stream.ts';
import type { StreamObserver } from '../../streams/streams.ts';
import { GroupError } from '../group-error.ts';
import { refuse } from '../group-quotas.ts';
import type { OtherGroups } from '../ports.ts';
import type { ShareGroupsDeps } from './ports.ts';
import {
  LEAVE_EPOCH,
  ShareGroup,
  type ShareGroupDeps,
  type ShareHeartbeat,
  type ShareHeartbeatOutcome,
} from './share-group.ts';
import { decodeShareOperation, encodeShareOperation, type ShareOperation } from './share-operations.ts';
import { SharePartitions } from './share-partitions.ts';
import type { ShareReader } from './share-reader.ts';
import { shareSettings } from './share-settings.ts';

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
  readonly #partitions: SharePartitions;

  constructor(deps: ShareGroupsDeps) {
    this.#deps = deps;
    this.#quotas = deps.quotas ?? new ObjectQuotas();
    this.#partitions = new SharePartitions(deps, this.#quotas);
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
    const own = ownPartition(stream?.partitions[partition]);
    if (stream === undefined || stream.vhost !== group.vhost || own === undefined) return undefined;
    // What else there is of the stream is begun on when it is divided.
    this.#partitions.beginOn(group, own);
    return group.readers.get(streamId)?.get(partition);
  }

  /** The group begins at these offsets. @throws GroupError group-not-empty, limit-reached, unavailable */
  alter(group: ShareGroup, stream: Stream, starts: ReadonlyMap<number, number>): void {
    if (!group.isEmpty) throw notEmpty(group.id);
    const known = group.readers.get(stream.id);
    let added = 0;
    for (const index of starts.keys()) if (known?.has(index) !== true) added++;
    if (added > 0) refuse(this.#quotas.refusal('share-partitions', group.account, group.vhost, added));
    this.#partitions.startAt(group, stream, starts);
  }

  /** The group knows nothing of the stream any more. @throws GroupError group-not-empty */
  forget(group: ShareGroup, streamId: string): void {
    if (!group.isEmpty) throw notEmpty(group.id);
    if (!group.readers.has(streamId)) return;
    this.#record({ op: 'share.forget', v: group.vhost, g: group.id, stream: streamId });
    this.#partitions.forget(group, streamId);
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

  streamAdded(stream: Stream): void {
    this.#streamChanged(stream);
  }

  streamChanged(stream: Stream): void {
    this.#streamChanged(stream);
  }

  /** Not journaled: that the stream is gone is. */
  streamRemoved(stream: Stream): void {
    for (const group of this.#byVhost.get(stream.vhost)?.values() ?? [])
      this.#partitions.forget(group, stream.id);
    this.#streamChanged(stream);
  }

  apply(bytes: Uint8Array): void {
    const operation = decodeShareOperation(bytes);
    if (operation.op === 'share.progress') {
      this.#partitions.applyProgress(operation);
      return;
    }
    const group = this.find(operation.v, operation.g);
    switch (operation.op) {
      case 'share.group':
        (group ?? this.#add(operation.v, operation.g, operation.u)).epoch = operation.epoch;
        return;
      case 'share.start':
        if (group !== undefined) this.#partitions.applyStart(group, operation);
        return;
      case 'share.forget':
        if (group !== undefined) this.#partitions.forget(group, operation.stream);
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
    this.#partitions.recovered();
  }

  stop(): void {
    this.#partitions.stop();
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
      begin: (group, { id: streamId }) => this.#partitions.begin(group, streamId),
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
    const group = new ShareGroup(vhost, id, deps, account);
    groups.set(id, group);
    this.#quotas.change('groups', account, vhost, 1);
    return group;
  }

  #remove(group: ShareGroup): void {
    const { account, vhost } = group;
    this.#partitions.forgetAll(group);
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

function notEmpty(id: string): GroupError {
  return new GroupError('group-not-empty', `Group ${id} is not empty.`);
}
