import { randomUUID } from 'node:crypto';
import type { Timer } from '../../base/scheduler.ts';
import { ObjectQuotas } from '../budget/object-quotas.ts';
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
import { Group, type GroupOwner } from './group.ts';
import { GroupError, type GroupErrorKind } from './group-error.ts';
import { GroupQuotas } from './group-quotas.ts';
import type { GroupSettings } from './group-settings.ts';
import { MemberAnswers } from './member-answers.ts';
import type { CommitRequest } from './offset-commit.ts';
import { expiredOffsets, isUseless, subscribesTo } from './offset-retention.ts';
import { decodeGroupOperation, encodeGroupOperation, type GroupOperation } from './operations.ts';
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
  readonly #byVhost = new Map<string, Map<string, Group>>();
  /** Groups with pending offsets, by the id of the producer. */
  readonly #pending = new Map<number, Set<Group>>();
  readonly #others: OtherGroups[] = [];
  readonly #quotas: GroupQuotas;
  readonly answers: MemberAnswers;
  #codec = noCodec;
  #retention: Timer | null = null;

  constructor(deps: GroupDeps) {
    this.#deps = deps;
    this.#quotas = new GroupQuotas(deps.quotas ?? new ObjectQuotas());
    this.answers = new MemberAnswers(deps.turnTime ?? null);
  }

  get settings(): GroupSettings {
    return this.#deps.settings;
  }

  /** Groups of another kind, with a home of their own: a name is one group's, of whatever kind. */
  register(others: OtherGroups): void {
    this.#others.push(others);
  }

  get others(): readonly OtherGroups[] {
    return this.#others;
  }

  /** How to understand what members of classic groups tell one another. */
  get codec(): MemberCodec {
    return this.#codec;
  }

  useMemberCodec(codec: MemberCodec): void {
    this.#codec = codec;
  }

  find(vhost: string, id: string): Group | undefined {
    return this.#byVhost.get(vhost)?.get(id);
  }

  list(vhost: string): Group[] {
    return [...(this.#byVhost.get(vhost)?.values() ?? [])];
  }

  join(vhost: string, id: string, request: JoinRequest, done: (outcome: JoinOutcome) => void): void {
    const { memberId } = request;
    const found = this.find(vhost, id);
    if (id === '') {
      done(joinFailed('invalid-group-id', memberId));
    } else if (found === undefined && memberId !== '') {
      done(joinFailed('unknown-member', memberId));
    } else {
      const isOther = this.#otherOf(vhost, id) !== undefined;
      const refusal = isOther ? null : this.#quotas.refusalOfJoin(vhost, found, request);
      if (refusal !== null) {
        done(joinFailed(refusal, memberId));
        return;
      }
      const group = isOther ? null : (found ?? this.#create(vhost, id, request.user));
      const classic = group?.asClassic() ?? null;
      if (group === null) done(joinFailed('inconsistent-protocol', memberId));
      else if (classic === null) done(group.classicMembers.join(request));
      else classic.join(request, done);
      if (group !== null) this.resized(group);
      if (group !== null && found === undefined) this.#removeIfUnused(group);
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
    const isNew = found === undefined && request.epoch === 0 && this.#otherOf(vhost, id) === undefined;
    if (request.epoch === 0 && (isNew || found !== undefined)) {
      this.#quotas.admitConsumer(vhost, found, request);
    }
    const group = isNew ? this.#create(vhost, id, request.user) : found;
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
      if (isNew) this.#removeIfUnused(group);
    }
  }

  /** Returns the block of the journal in which the offsets are. @throws GroupError */
  commit(request: CommitRequest): number {
    const group = this.#groupToCommit(request, false);
    const { rows } = request;
    const t = this.#wallMs();
    this.#quotas.admitOffsets(group, rows);
    group.offsets.commit(t, rows);
    this.resized(group);
    this.#keepOwner(group);
    group.offsetsBlock = this.#record({ op: 'group.commit', v: group.vhost, g: group.id, t, o: rows });
    return group.offsetsBlock;
  }

  addPending(producerId: number, request: CommitRequest): number {
    const group = this.#groupToCommit(request, true);
    const { rows } = request;
    const t = this.#wallMs();
    this.#quotas.admitOffsets(group, rows);
    this.#addPending(group, producerId, t, rows);
    const { vhost: v, id: g } = group;
    this.#keepOwner(group);
    group.offsetsBlock = this.#record({ op: 'group.pending', v, g, t, producer: producerId, o: rows });
    return group.offsetsBlock;
  }

  hasPending(producerId: number): boolean {
    return this.#pending.has(producerId);
  }

  complete(producerId: number, isCommitted: boolean): void {
    const groups = this.#pending.get(producerId);
    if (groups === undefined) return;
    const block = this.#record({ op: 'group.complete', producer: producerId, committed: isCommitted });
    for (const group of groups) group.offsetsBlock = block;
    this.#complete(producerId, isCommitted);
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
    this.#byVhost.delete(vhost);
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
    for (const groups of this.#byVhost.values()) {
      for (const group of [...groups.values()]) {
        const isRead = subscribesTo(group, this.#codec);
        this.#forget(group, expiredOffsets(group, isRead, this.#deps, nowMs));
        if (isUseless(group)) this.#delete(group);
      }
    }
  }

  apply(bytes: Uint8Array): void {
    const operation = decodeGroupOperation(bytes);
    this.#apply(operation, bytes);
    if ('g' in operation) {
      const group = this.find(operation.v, operation.g);
      if (group !== undefined) this.resized(group);
    }
  }

  #apply(operation: GroupOperation, bytes: Uint8Array): void {
    switch (operation.op) {
      case 'group.owner':
        this.#quotas.setOwner(this.#findOrCreate(operation.v, operation.g), operation.u);
        return;
      case 'group.classic': {
        const group = this.#findOrCreate(operation.v, operation.g);
        group.keptMembership = Uint8Array.from(bytes);
        group.becomeClassic().restore(operation);
        return;
      }
      case 'group.consumer':
        this.#findOrCreate(operation.v, operation.g).becomeConsumer().restore(operation);
        return;
      case 'group.commit':
        this.#findOrCreate(operation.v, operation.g).offsets.commit(operation.t, operation.o);
        return;
      case 'group.pending':
        this.#addPending(
          this.#findOrCreate(operation.v, operation.g),
          operation.producer,
          operation.t,
          operation.o,
        );
        return;
      case 'group.complete':
        this.#complete(operation.producer, operation.committed);
        return;
      case 'group.forget': {
        const offsets = this.find(operation.v, operation.g)?.offsets;
        for (const [streamId, partitions] of Object.entries(operation.o)) {
          for (const partition of partitions) offsets?.forget(streamId, partition);
        }
        return;
      }
      case 'group.delete': {
        const group = this.find(operation.v, operation.g);
        if (group !== undefined) this.#remove(group);
      }
    }
  }

  *snapshot(): Iterable<Uint8Array> {
    for (const groups of this.#byVhost.values()) {
      for (const group of groups.values()) {
        const { vhost: v, id: g, membership } = group;
        const u = group.account?.openName ?? null;
        if (u !== null) yield encodeGroupOperation({ op: 'group.owner', v, g, u });
        if (membership.type === 'consumer') {
          yield encodeGroupOperation({ op: 'group.consumer', v, g, ...membership.stateToKeep() });
        } else if (group.keptMembership !== null) {
          yield group.keptMembership;
        }
        for (const { producer, t, o } of group.offsets.rows()) {
          if (producer === null) yield encodeGroupOperation({ op: 'group.commit', v, g, t, o });
          else yield encodeGroupOperation({ op: 'group.pending', v, g, t, producer, o });
        }
      }
    }
  }

  recovered(): void {
    for (const groups of this.#byVhost.values()) {
      for (const group of groups.values()) {
        for (const streamId of [...group.offsets.streamIds()]) {
          if (this.#deps.streams.byId(streamId) === undefined) group.offsets.forgetStream(streamId);
        }
        group.recovered();
        this.resized(group);
      }
    }
    this.#retention = this.#deps.scheduler.every(this.settings.offsetsCheckMs, () => this.expire());
  }

  stop(): void {
    this.#retention?.cancel();
    for (const groups of this.#byVhost.values()) for (const group of groups.values()) group.stop();
  }

  newMemberId(prefix: string): string {
    return `${prefix}-${randomUUID()}`;
  }

  classicChanged(group: Group): void {
    const { membership, vhost: v, id: g } = group;
    if (membership.type !== 'classic') return;
    const operation = encodeGroupOperation({ op: 'group.classic', v, g, ...membership.stateToKeep() });
    group.keptMembership = operation;
    this.#keepOwner(group);
    group.membershipBlock = this.#deps.record(operation);
  }

  unused(group: Group): void {
    this.#remove(group);
  }

  consumerChanged(group: Group, change: ConsumerChange): void {
    group.keptMembership = null;
    this.#keepOwner(group);
    group.membershipBlock = this.#record({ op: 'group.consumer', v: group.vhost, g: group.id, ...change });
    if (change.gone.length > 0) group.becomeClassicIfAllAre();
  }

  resized(group: Group): void {
    this.#quotas.resized(group);
  }

  /** The journal is to say whose the group is before it says anything else of it. */
  #keepOwner(group: Group): void {
    if (group.isAccountKept) return;
    group.isAccountKept = true;
    const u = group.account?.openName ?? null;
    if (u !== null) {
      this.#deps.record(encodeGroupOperation({ op: 'group.owner', v: group.vhost, g: group.id, u }));
    }
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
      if (generation >= 0 || this.#otherOf(vhost, id) !== undefined) {
        throw new GroupError('illegal-generation', `there is no group '${id}'`);
      }
      this.#quotas.admitGroup(vhost, request.user);
      group = this.#create(vhost, id, request.user);
    }
    const { membership } = group;
    if (membership.type === 'classic') {
      membership.checkCommit({ memberId, instanceId, generation }, isTransactional);
    } else if (!isTransactional || generation >= 0 || memberId !== '') {
      membership.checkCommit(memberId, generation, knowsEpochs || isTransactional);
    }
    return group;
  }

  #otherOf(vhost: string, id: string): OtherGroups | undefined {
    return this.#others.find((others) => others.has(vhost, id));
  }

  #findOrCreate(vhost: string, id: string): Group {
    return this.find(vhost, id) ?? this.#create(vhost, id);
  }

  #create(vhost: string, id: string, user?: string): Group {
    const groups = this.#byVhost.get(vhost) ?? new Map<string, Group>();
    this.#byVhost.set(vhost, groups);
    const group = new Group(vhost, id, this.#deps, this, this.#quotas.account(user));
    groups.set(id, group);
    this.#quotas.added(group);
    return group;
  }

  #delete(group: Group): void {
    this.#record({ op: 'group.delete', v: group.vhost, g: group.id });
    this.#remove(group);
  }

  /** What a request that was refused has made. */
  #removeIfUnused(group: Group): void {
    if (isUseless(group)) this.#remove(group);
  }

  #remove(group: Group): void {
    if (group.isRemoved) return;
    this.#byVhost.get(group.vhost)?.delete(group.id);
    group.remove();
    this.#quotas.removed(group);
    for (const [producer, groups] of this.#pending) {
      if (groups.delete(group) && groups.size === 0) this.#pending.delete(producer);
    }
  }

  #forget(group: Group, partitions: PartitionSet): void {
    if (partitions.size === 0) return;
    for (const [streamId, indexes] of partitions) {
      for (const index of indexes) group.offsets.forget(streamId, index);
    }
    this.resized(group);
    const { vhost: v, id: g } = group;
    group.offsetsBlock = this.#record({ op: 'group.forget', v, g, o: toLists(partitions) });
  }

  #addPending(group: Group, producer: number, t: number, rows: CommitRequest['rows']): void {
    group.offsets.addPending(producer, t, rows);
    this.resized(group);
    const groups = this.#pending.get(producer) ?? new Set<Group>();
    this.#pending.set(producer, groups.add(group));
  }

  #complete(producer: number, isCommitted: boolean): void {
    for (const group of this.#pending.get(producer) ?? []) {
      group.offsets.complete(producer, isCommitted);
      this.resized(group);
    }
    this.#pending.delete(producer);
  }

  #streamsChanged(vhost: string): void {
    for (const { membership } of this.list(vhost))
      if (membership.type === 'consumer') membership.streamsChanged();
  }

  #wallMs(): number {
    return Math.floor(this.#deps.clock.now());
  }

  #record(operation: GroupOperation): number {
    return this.#deps.record(encodeGroupOperation(operation));
  }
}
