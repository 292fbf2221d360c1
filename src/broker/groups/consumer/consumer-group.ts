import { GroupError, type GroupErrorKind } from '../group-error.ts';
import { equals, NO_PARTITIONS, type PartitionSet } from '../partition-sets.ts';
import { StaticMembers } from '../static-membership.ts';
import { AWAY_EPOCH, ConsumerMember, sameSubscription, sameWishes, wishesOf } from './consumer-member.ts';
import { checkAsker, checkCommitter, memberThatSpeaks } from './fencing.ts';
import { Owners } from './owners.ts';
import type { ConsumerChange, ConsumerSurroundings, TargetOwner } from './ports.ts';
import { nextPosition } from './reconciliation.ts';
import type { HeartbeatOutcome, HeartbeatRequest } from './requests.ts';
import { checkNameCount, Subscriptions } from './subscriptions.ts';
import { ASSIGNORS, DEFAULT_ASSIGNOR } from './target.ts';
import { TargetAssignment } from './target-assignment.ts';

export type ConsumerState = 'Empty' | 'Assigning' | 'Reconciling' | 'Stable' | 'Dead';

const NEVER = Number.POSITIVE_INFINITY;
const everything = (): boolean => true;

/**
 * A group in which the broker divides the partitions (KIP-848). Whenever its members, what they read, or the streams
 * change, `epoch` grows, and a new target is made for everybody: that of `targetEpoch`. Each member goes there by its
 * own heartbeats, in its own time; see reconciliation.ts. A partition has one owner at a time, always.
 */
export class ConsumerGroup implements TargetOwner {
  readonly type = 'consumer';
  epoch = 0;
  targetEpoch = 0;
  assignor = DEFAULT_ASSIGNOR;
  /** Since the epoch of time. */
  emptySinceMs: number | null = null;
  readonly members = new Map<string, ConsumerMember>();
  readonly staticMembers = new StaticMembers();
  readonly #around: ConsumerSurroundings;
  readonly #subscriptions: Subscriptions;
  readonly #target: TargetAssignment;
  readonly #owners = new Owners();
  /** What the journal does not have yet: members, the ids of those that are gone, and what is beside them. */
  readonly #changed = new Set<ConsumerMember>();
  readonly #gone: string[] = [];
  #isChanged = false;

  constructor(around: ConsumerSurroundings) {
    this.#around = around;
    this.#subscriptions = new Subscriptions(around.streams, around.vhost);
    this.#target = new TargetAssignment(this, this.#subscriptions, around);
  }

  get isEmpty(): boolean {
    return this.members.size === 0;
  }

  get state(): ConsumerState {
    if (this.members.size === 0) return 'Empty';
    if (this.epoch > this.targetEpoch) return 'Assigning';
    for (const member of this.members.values())
      if (!member.isReconciled(this.targetEpoch)) return 'Reconciling';
    return 'Stable';
  }

  /** @throws GroupError */
  heartbeat(request: HeartbeatRequest): HeartbeatOutcome {
    if (request.assignor !== null && !ASSIGNORS.has(request.assignor)) {
      const known = [...ASSIGNORS.keys()].join(', ');
      throw new GroupError(
        'unsupported-assignor',
        `there is no assignor '${request.assignor}', only ${known}`,
      );
    }
    checkNameCount(this.members.values(), request);
    if (request.expression !== null) this.#subscriptions.checkExpression(request.expression);
    const outcome = request.epoch < 0 ? this.#leave(request) : this.#beat(request);
    this.keepChanges();
    return outcome;
  }

  /** @throws GroupError if who commits is not who it should be */
  checkCommit(memberId: string, epoch: number, knowsEpochs: boolean): void {
    checkCommitter(this.members, memberId, epoch, knowsEpochs);
  }

  /** As `checkCommit`, for who asks how far it was. @throws GroupError */
  checkFetch(memberId: string | null, epoch: number): void {
    checkAsker(this.members, memberId, epoch);
  }

  /** A member of the other kind was heard. */
  heard(member: ConsumerMember): void {
    this.#touch(member);
  }

  /** Something is asked of a member of the other kind, which has its rebalance time-out for it. */
  expects(member: ConsumerMember): void {
    if (member.revokeDueMs < NEVER) return;
    member.revokeDueMs = this.#around.now() + member.wishes.rebalanceMs;
    this.#around.wakeAt(member.revokeDueMs);
  }

  /** Whether a member that waits for what others had can have more of it now. */
  hasNews(member: ConsumerMember): boolean {
    return this.#owners.hasFreeFor(member);
  }

  /** From now on the group is this, which was a classic one. */
  adopt(change: ConsumerChange): void {
    this.restore(change);
    this.#target.markStale();
    for (const member of this.members.values()) {
      member.maySee = everything;
      this.#touch(member);
    }
    this.#around.changed(this.stateToKeep());
  }

  isSubscribed(streamId: string): boolean {
    for (const member of this.members.values()) {
      if (this.#subscriptions.streamsOf(member).has(streamId)) return true;
    }
    return false;
  }

  /** An administrator takes a member out, by the name that it keeps, or else by its id. */
  takeOut(memberId: string, instanceId: string | null): GroupErrorKind | null {
    const id = instanceId === null ? memberId : this.staticMembers.idOf(instanceId);
    const member = id === undefined ? undefined : this.members.get(id);
    if (member === undefined) return 'unknown-member';
    if (memberId !== '' && memberId !== member.id) return 'fenced-instance';
    this.#remove(member);
    this.keepChanges();
    return null;
  }

  streamsChanged(): void {
    this.#target.markStale();
    this.#subscriptions.streamsChanged();
  }

  /** Time has passed. When to come again. */
  tick(): number {
    const now = this.#around.now();
    for (const member of [...this.members.values()]) {
      if (member.deadlineMs <= now || member.revokeDueMs <= now) this.#remove(member);
    }
    this.keepChanges();
    let dueMs = NEVER;
    for (const { deadlineMs, revokeDueMs } of this.members.values()) {
      dueMs = Math.min(dueMs, deadlineMs, revokeDueMs);
    }
    return dueMs;
  }

  stateToKeep(
    members: Iterable<ConsumerMember> = this.members.values(),
    gone: string[] = [],
  ): ConsumerChange {
    return {
      epoch: this.epoch,
      targetEpoch: this.targetEpoch,
      assignor: this.assignor,
      topicsHash: this.#target.topicsHash,
      emptySinceMs: this.emptySinceMs,
      members: Array.from(members, (member) => member.stateToKeep()),
      gone,
    };
  }

  restore(change: ConsumerChange): void {
    this.epoch = change.epoch;
    this.targetEpoch = change.targetEpoch;
    this.assignor = change.assignor;
    this.#target.topicsHash = change.topicsHash;
    this.emptySinceMs = change.emptySinceMs;
    for (const id of change.gone) this.#forget(this.members.get(id));
    for (const kept of change.members) this.#forget(this.members.get(kept.id));
    for (const kept of change.members) {
      const member = ConsumerMember.restore(kept);
      this.members.set(member.id, member);
      this.staticMembers.add(member);
      this.#owners.set(member);
    }
  }

  /** After a restart, members have the time to be heard again. */
  recovered(): void {
    this.#target.markStale();
    for (const member of this.members.values()) {
      this.#touch(member);
      this.#watchRevocation(member);
    }
  }

  bumpEpoch(): void {
    this.epoch++;
    this.#isChanged = true;
  }

  keepMembers(members: readonly ConsumerMember[]): void {
    this.#around.changed(this.stateToKeep(members));
  }

  setTarget(epoch: number, members: Iterable<ConsumerMember>): void {
    for (const member of members) this.#changed.add(member);
    this.targetEpoch = epoch;
    this.#isChanged = true;
  }

  keepChanges(): void {
    if (!this.#isChanged && this.#changed.size === 0 && this.#gone.length === 0) return;
    this.#around.changed(this.stateToKeep(this.#changed, this.#gone.splice(0)));
    this.#changed.clear();
    this.#isChanged = false;
  }

  #beat(request: HeartbeatRequest): HeartbeatOutcome {
    const known = this.#find(request);
    const member = known ?? this.#enter(request);
    const isNew = known === undefined;
    if (!isNew && request.epoch === 0) this.#startAgain(member);
    const isOther = this.#update(member, request);
    this.#target.update(isNew || isOther);
    const { assigned } = member;
    this.#reconcile(member, request.owned);
    this.#touch(member);
    const isWhole = request.epoch === 0 || (request.rebalanceMs !== -1 && request.owned !== null);
    const isToTell = isWhole || !equals(assigned, member.assigned);
    return { memberId: member.id, epoch: member.epoch, assigned: isToTell ? member.assigned : null };
  }

  #find(request: HeartbeatRequest): ConsumerMember | undefined {
    return memberThatSpeaks(this.members, this.staticMembers, request, this.#around.settings.membersMax);
  }

  /** Somebody new, or one that keeps its name and has been restarted: that one gets what it had. */
  #enter(request: HeartbeatRequest): ConsumerMember {
    const { memberId, instanceId, clientId, host } = request;
    const formerId = this.staticMembers.idOf(instanceId);
    const former = formerId === undefined ? undefined : this.members.get(formerId);
    const wishes = former?.wishes ?? wishesOf(request, null);
    const member = new ConsumerMember(memberId, instanceId, clientId, host, wishes);
    if (former === undefined) {
      this.bumpEpoch();
    } else {
      member.target = former.target;
      this.#forget(former);
      this.#gone.push(former.id);
    }
    this.members.set(memberId, member);
    this.staticMembers.add(member);
    this.emptySinceMs = null;
    this.#changed.add(member);
    return member;
  }

  /** It has lost all that it had. */
  #startAgain(member: ConsumerMember): void {
    member.startAgain();
    this.#owners.set(member);
    this.#changed.add(member);
  }

  /** True if it reads something else from now on. */
  #update(member: ConsumerMember, request: HeartbeatRequest): boolean {
    const before = member.wishes;
    const wishes = wishesOf(request, before);
    if (member.maySee === null && before.expression !== null) this.#target.markStale();
    member.maySee = request.maySee;
    member.clientId = request.clientId;
    member.host = request.host;
    if (member.classic !== request.classic) {
      member.classic = request.classic;
      this.#changed.add(member);
    }
    if (sameWishes(before, wishes)) return false;
    member.wishes = wishes;
    this.#changed.add(member);
    if (sameSubscription(before, wishes)) return false;
    this.bumpEpoch();
    return true;
  }

  #reconcile(member: ConsumerMember, reported: PartitionSet | null): void {
    const next = nextPosition(
      member,
      { epoch: this.targetEpoch, target: member.target },
      reported,
      (streamId, partition) => this.#owners.mayOwn(member, streamId, partition),
    );
    if (next === member) return;
    member.moveTo(next);
    this.#owners.set(member);
    this.#watchRevocation(member);
    this.#changed.add(member);
  }

  #leave(request: HeartbeatRequest): HeartbeatOutcome {
    const member = this.#find(request) as ConsumerMember;
    if (request.epoch === AWAY_EPOCH && request.instanceId !== null) {
      member.epoch = AWAY_EPOCH;
      member.revoking = NO_PARTITIONS;
      member.revokeDueMs = NEVER;
      this.#owners.set(member);
      this.#changed.add(member);
    } else {
      this.#remove(member);
    }
    return { memberId: member.id, epoch: request.epoch, assigned: null };
  }

  #remove(member: ConsumerMember): void {
    this.#forget(member);
    this.#gone.push(member.id);
    this.bumpEpoch();
    if (this.members.size === 0) this.emptySinceMs = this.#around.wallMs();
  }

  #forget(member: ConsumerMember | undefined): void {
    if (member === undefined) return;
    this.members.delete(member.id);
    this.#changed.delete(member);
    this.#target.forget(member);
    this.#owners.release(member);
    this.staticMembers.remove(member);
  }

  #touch(member: ConsumerMember): void {
    member.deadlineMs = this.#around.now() + (member.classic?.sessionMs ?? this.#around.sessionMs());
    this.#around.wakeAt(member.deadlineMs);
  }

  #watchRevocation(member: ConsumerMember): void {
    if (member.state !== 'unrevoked') member.revokeDueMs = NEVER;
    else member.revokeDueMs = this.#around.now() + member.wishes.rebalanceMs;
    this.#around.wakeAt(member.revokeDueMs);
  }
}
