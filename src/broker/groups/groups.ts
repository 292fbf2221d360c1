import { randomUUID } from 'node:crypto';
import type { Timer } from '../../base/scheduler.ts';
import type { SnapshotSection } from '../shard/snapshot-section.ts';
import {
  type JoinOutcome,
  type JoinRequest,
  joinFailed,
  type MemberRequest,
  type SyncOutcome,
  type SyncRequest,
  syncFailed,
} from './classic/requests.ts';
import type { ConsumerChange } from './consumer/ports.ts';
import type { HeartbeatOutcome, HeartbeatRequest } from './consumer/requests.ts';
import type { Group, GroupOwner } from './group.ts';
import { GroupError, type GroupErrorKind } from './group-error.ts';
import { GroupJournal } from './group-journal.ts';
import { GroupRegistry } from './group-registry.ts';
import type { GroupSettings } from './group-settings.ts';
import { MemberAnswers } from './member-answers.ts';
import type { CommitRequest } from './offset-commit.ts';
import { expiredOffsets, isUseless, subscribesTo } from './offset-retention.ts';
import { type PartitionSet, PartitionSetBuilder, toLists } from './partition-sets.ts';
import { type GroupDeps, type GroupStream, type MemberCodec, noCodec, type OtherGroups } from './ports.ts';
import type { TransactionalOffsets } from './transactional-offsets.ts';

/**
 * All groups of a broker, by virtual host and name: who is in them, and how far they have read. Changes are made and
 * journaled without waiting; an answer waits for the blocks that the group names.
 */
export class Groups implements SnapshotSection, GroupOwner, TransactionalOffsets {
  readonly prefix = 'group';
  readonly #deps: GroupDeps;
  readonly #registry: GroupRegistry;
  readonly #journal: GroupJournal;
  readonly answers: MemberAnswers;
  #codec = noCodec;
  #retention: Timer | null = null;

  constructor(deps: GroupDeps) {
    this.#deps = deps;
    this.#registry = new GroupRegistry(deps, this);
    this.#journal = new GroupJournal(deps, this.#registry);
    this.answers = new MemberAnswers(deps.turnTime ?? null);
  }

  get settings(): GroupSettings {
    return this.#deps.settings;
  }

  /** Groups of another kind, with a home of their own: a name is one group's, of whatever kind. */
  register(others: OtherGroups): void {
    this.#registry.others.push(others);
  }

  get others(): readonly OtherGroups[] {
    return this.#registry.others;
  }

  /** How to understand what members of classic groups tell one another. */
  get codec(): MemberCodec {
    return this.#codec;
  }

  useMemberCodec(codec: MemberCodec): void {
    this.#codec = codec;
  }

  find(vhost: string, id: string): Group | undefined {
    return this.#registry.find(vhost, id);
  }

  list(vhost: string): Group[] {
    return this.#registry.list(vhost);
  }

  join(vhost: string, id: string, request: JoinRequest, done: (outcome: JoinOutcome) => void): void {
    const { memberId } = request;
    const found = this.find(vhost, id);
    if (id === '') {
      done(joinFailed('invalid-group-id', memberId));
    } else if (found === undefined && memberId !== '') {
      done(joinFailed('unknown-member', memberId));
    } else {
      const isOther = this.#registry.otherOf(vhost, id) !== undefined;
      const refusal = isOther ? null : this.#registry.quotas.refusalOfJoin(vhost, found, request);
      if (refusal !== null) {
        done(joinFailed(refusal, memberId));
        return;
      }
      const group = isOther ? null : (found ?? this.#registry.create(vhost, id, request.user));
      const classic = group?.asClassic() ?? null;
      if (group === null) done(joinFailed('inconsistent-protocol', memberId));
      else if (classic === null) done(group.classicMembers.join(request));
      else classic.join(request, done);
      if (group !== null) this.resized(group);
      if (group !== null && found === undefined) this.#registry.removeIfUnused(group);
    }
  }

  sync(vhost: string, id: string, request: SyncRequest, done: (outcome: SyncOutcome) => void): void {
    const group = this.#groupOfMember(vhost, id);
    if (typeof group === 'string') done(syncFailed(group));
    else if (group.membership.type === 'classic') group.membership.sync(request, done);
    else done(group.classicMembers.sync(request));
  }

  heartbeat(vhost: string, id: string, request: MemberRequest): GroupErrorKind | null {
    const group = this.#groupOfMember(vhost, id);
    if (typeof group === 'string') return group;
    const { membership } = group;
    return membership.type === 'classic'
      ? membership.heartbeat(request)
      : group.classicMembers.heartbeat(request);
  }

  /** One result for each that leaves. */
  leave(
    vhost: string,
    id: string,
    leaving: readonly Omit<MemberRequest, 'generation'>[],
  ): (GroupErrorKind | null)[] {
    const group = this.#groupOfMember(vhost, id);
    if (typeof group === 'string') return leaving.map(() => group);
    const { membership } = group;
    const results =
      membership.type === 'classic'
        ? membership.leave(leaving)
        : leaving.map(({ memberId, instanceId }) => membership.takeOut(memberId, instanceId));
    this.resized(group);
    return results;
  }

  /** Of a group in which the broker divides the partitions. @throws GroupError */
  consumerHeartbeat(vhost: string, id: string, request: HeartbeatRequest): HeartbeatOutcome {
    const found = this.find(vhost, id);
    const isNew =
      found === undefined && request.epoch === 0 && this.#registry.otherOf(vhost, id) === undefined;
    if (request.epoch === 0 && (isNew || found !== undefined)) {
      this.#registry.quotas.admitConsumer(vhost, found, request);
    }
    const group = isNew ? this.#registry.create(vhost, id, request.user) : found;
    const isKnown = request.epoch === 0 || found?.membership.type === 'consumer';
    if (group === undefined || !isKnown)
      throw new GroupError('group-not-found', `there is no consumer group '${id}'`);
    const consumer = group.asConsumer();
    if (consumer === null) {
      throw new GroupError(
        'group-not-found',
        `the members of group '${id}' divide the partitions themselves`,
      );
    }
    try {
      return consumer.heartbeat(request);
    } finally {
      this.resized(group);
      if (isNew) this.#registry.removeIfUnused(group);
    }
  }

  /** Returns the block of the journal in which the offsets are. @throws GroupError */
  commit(request: CommitRequest): number {
    const group = this.#groupToCommit(request, false);
    const { rows } = request;
    const t = this.#wallMs();
    this.#registry.quotas.admitOffsets(group, rows);
    group.offsets.commit(t, rows);
    this.resized(group);
    this.#journal.keepOwner(group);
    const { vhost: v, id: g } = group;
    group.offsetsBlock = this.#journal.record({ op: 'group.commit', v, g, t, o: rows });
    return group.offsetsBlock;
  }

  addPending(producerId: number, request: CommitRequest): number {
    const group = this.#groupToCommit(request, true);
    const { rows } = request;
    const t = this.#wallMs();
    this.#registry.quotas.admitOffsets(group, rows);
    this.#registry.addPending(group, producerId, t, rows);
    const { vhost: v, id: g } = group;
    this.#journal.keepOwner(group);
    const operation = { op: 'group.pending', v, g, t, producer: producerId, o: rows } as const;
    group.offsetsBlock = this.#journal.record(operation);
    return group.offsetsBlock;
  }

  hasPending(producerId: number): boolean {
    return this.#registry.hasPending(producerId);
  }

  complete(producerId: number, isCommitted: boolean): void {
    if (!this.hasPending(producerId)) return;
    const operation = { op: 'group.complete', producer: producerId, committed: isCommitted } as const;
    const block = this.#journal.record(operation);
    for (const group of this.#registry.pendingOf(producerId)) group.offsetsBlock = block;
    this.#registry.completePending(producerId, isCommitted);
  }

  /**
   * Makes a group forget how far it was in these partitions. Returns those that its members read, of which it does
   * not. @throws GroupError group-not-found, group-not-empty
   */
  forgetOffsets(vhost: string, id: string, partitions: PartitionSet): PartitionSet {
    const group = this.find(vhost, id);
    if (group === undefined) throw new GroupError('group-not-found', `there is no group '${id}'`);
    const refused = new PartitionSetBuilder();
    const forgotten = new PartitionSetBuilder();
    const isRead = subscribesTo(group, this.#codec);
    if (isRead === null) throw new GroupError('group-not-empty', `group '${id}' has members`);
    for (const [streamId, indexes] of partitions) {
      const stream = this.#deps.streams.byId(streamId);
      const into = stream !== undefined && isRead(stream) ? refused : forgotten;
      for (const index of indexes) into.add(streamId, index);
    }
    this.#forget(group, forgotten.set);
    return refused.set;
  }

  /** @throws GroupError group-not-found, group-not-empty */
  delete(vhost: string, id: string): void {
    const group = this.find(vhost, id);
    if (group === undefined) throw new GroupError('group-not-found', `there is no group '${id}'`);
    if (!group.membership.isEmpty) throw new GroupError('group-not-empty', `group '${id}' has members`);
    this.#delete(group);
  }

  /** With the virtual host goes what is in it. */
  deleteAll(vhost: string): void {
    for (const group of this.list(vhost)) this.#delete(group);
    this.#registry.removeVhost(vhost);
  }

  streamAdded({ vhost }: GroupStream): void {
    this.#streamsChanged(vhost);
  }

  streamChanged({ vhost }: GroupStream): void {
    this.#streamsChanged(vhost);
  }

  /** Not journaled: that the stream is gone is. */
  streamRemoved({ vhost, id }: GroupStream): void {
    for (const group of this.list(vhost)) {
      group.offsets.forgetStream(id);
      this.resized(group);
    }
    this.#streamsChanged(vhost);
  }

  /** Forgets what nobody has asked for since long. */
  expire(): void {
    const nowMs = this.#wallMs();
    for (const group of this.#registry.all()) {
      const isRead = subscribesTo(group, this.#codec);
      this.#forget(group, expiredOffsets(group, isRead, this.#deps, nowMs));
      if (isUseless(group)) this.#delete(group);
    }
  }

  apply(bytes: Uint8Array): void {
    this.#journal.apply(bytes);
  }

  snapshot(): Iterable<Uint8Array> {
    return this.#journal.snapshot();
  }

  recovered(): void {
    for (const group of this.#registry.all()) {
      for (const streamId of [...group.offsets.streamIds()]) {
        if (this.#deps.streams.byId(streamId) === undefined) group.offsets.forgetStream(streamId);
      }
      group.recovered();
      this.resized(group);
    }
    this.#retention = this.#deps.scheduler.every(this.settings.offsetsCheckMs, () => this.expire());
  }

  stop(): void {
    this.#retention?.cancel();
    for (const group of this.#registry.all()) group.stop();
  }

  newMemberId(prefix: string): string {
    return `${prefix}-${randomUUID()}`;
  }

  classicChanged(group: Group): void {
    this.#journal.keepClassic(group);
  }

  unused(group: Group): void {
    this.#registry.remove(group);
  }

  consumerChanged(group: Group, change: ConsumerChange): void {
    this.#journal.keepConsumer(group, change);
    if (change.gone.length > 0) group.becomeClassicIfAllAre();
  }

  resized(group: Group): void {
    this.#registry.quotas.resized(group);
  }

  #groupOfMember(vhost: string, id: string): Group | GroupErrorKind {
    if (id === '') return 'invalid-group-id';
    return this.find(vhost, id) ?? 'unknown-member';
  }

  #groupToCommit(request: CommitRequest, isTransactional: boolean): Group {
    const { vhost, group: id, memberId, instanceId, generation, knowsEpochs } = request;
    if (id === '') throw new GroupError('invalid-group-id', 'the name of a group is not empty');
    let group = this.find(vhost, id);
    if (group === undefined) {
      if (generation >= 0 || this.#registry.otherOf(vhost, id) !== undefined) {
        throw new GroupError('illegal-generation', `there is no group '${id}'`);
      }
      this.#registry.quotas.admitGroup(vhost, request.user);
      group = this.#registry.create(vhost, id, request.user);
    }
    const { membership } = group;
    if (membership.type === 'classic') {
      membership.checkCommit({ memberId, instanceId, generation }, isTransactional);
    } else if (!isTransactional || generation >= 0 || memberId !== '') {
      membership.checkCommit(memberId, generation, knowsEpochs || isTransactional);
    }
    return group;
  }

  #delete(group: Group): void {
    this.#journal.record({ op: 'group.delete', v: group.vhost, g: group.id });
    this.#registry.remove(group);
  }

  #forget(group: Group, partitions: PartitionSet): void {
    if (partitions.size === 0) return;
    for (const [streamId, indexes] of partitions) {
      for (const index of indexes) group.offsets.forget(streamId, index);
    }
    this.resized(group);
    const { vhost: v, id: g } = group;
    group.offsetsBlock = this.#journal.record({ op: 'group.forget', v, g, o: toLists(partitions) });
  }

  #streamsChanged(vhost: string): void {
    for (const { membership } of this.list(vhost))
      if (membership.type === 'consumer') membership.streamsChanged();
  }

  #wallMs(): number {
    return Math.floor(this.#deps.clock.now());
  }
}
