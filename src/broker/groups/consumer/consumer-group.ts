import type { Work } from '../../../base/turn-time.ts';
import { GroupError, type GroupErrorKind } from '../group-error.ts';
import type { GroupSettings } from '../group-settings.ts';
import type { ConsumerGroupChanged } from '../operations.ts';
import { equals, has, NO_PARTITIONS, type PartitionSet } from '../partition-sets.ts';
import type { GroupStreams } from '../ports.ts';
import { StaticMembers } from '../static-membership.ts';
import {
  AWAY_EPOCH,
  ConsumerMember,
  type MemberWishes,
  sameSubscription,
  sameWishes,
} from './consumer-member.ts';
import { checkAsker, checkCommitter, checkEpoch, memberOf } from './fencing.ts';
import { Owners } from './owners.ts';
import { nextPosition } from './reconciliation.ts';
import type { HeartbeatOutcome, HeartbeatRequest } from './requests.ts';
import { Subscriptions } from './subscriptions.ts';
import { ASSIGNORS, DEFAULT_ASSIGNOR, Reading } from './target.ts';

export type ConsumerState = 'Empty' | 'Assigning' | 'Reconciling' | 'Stable' | 'Dead';
export type ConsumerChange = Omit<ConsumerGroupChanged, 'op' | 'v' | 'g'>;

export interface ConsumerSurroundings {
  readonly settings: GroupSettings;
  readonly streams: GroupStreams;
  readonly vhost: string;
  /** How long a member may be silent. */
  sessionMs(): number;
  /** Monotonic. */
  now(): number;
  /** Since the epoch. */
  wallMs(): number;
  /** To be called, by `tick`, at this time or soon after. */
  wakeAt(dueMs: number): void;
  changed(change: ConsumerChange): void;
  /** Does the work in turns with others. */
  run(work: Work<void>): void;
  /** Whether the group is there still, and is of this kind. */
  isThere(): boolean;
}

const NEVER = Number.POSITIVE_INFINITY;
const everything = (): boolean => true;
/** Of the making of a target; they take some microseconds each. */
const STEPS_AT_ONCE_MAX = 1000;
/** Of all members together; those that ask for a few are not counted. */
const NAMES_MAX = 200_000;
const NAMES_FREE = 100;
/** In one operation of the journal. */
const MEMBERS_KEPT_AT_ONCE = 250;

/**
 * A group in which the broker divides the partitions (KIP-848). Whenever its members, what they read, or the streams
 * change, `epoch` grows, and a new target is made for everybody: that of `targetEpoch`. Each member goes there by its
 * own heartbeats, in its own time; see reconciliation.ts. A partition has one owner at a time, always.
 */
export class ConsumerGroup {
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
  readonly #owners = new Owners();
  #topicsHash = '';
  /** Streams may be others than those that the target was made for. */
  #isStale = false;
  readonly #changed = new Set<ConsumerMember>();
  /** With a target that is not in the journal yet. */
  readonly #retargeted = new Set<ConsumerMember>();
  readonly #gone: string[] = [];
  #isChanged = false;
  /** A new target is being made. */
  #isDividing = false;

  constructor(around: ConsumerSurroundings) {
    this.#around = around;
    this.#subscriptions = new Subscriptions(around.streams, around.vhost);
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
    if (request.names !== null && request.names.length > NAMES_FREE) this.#checkNames(request);
    if (request.expression !== null) this.#subscriptions.checkExpression(request.expression);
    const outcome = request.epoch < 0 ? this.#leave(request) : this.#beat(request);
    this.#keep();
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
    for (const [streamId, partitions] of member.target) {
      for (const partition of partitions) {
        if (has(member.assigned, streamId, partition)) continue;
        if (this.#owners.mayOwn(member, streamId, partition)) return true;
      }
    }
    return false;
  }

  /** From now on the group is this, which was a classic one. */
  adopt(change: ConsumerChange): void {
    this.restore(change);
    this.#isStale = true;
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
    this.#keep();
    return null;
  }

  streamsChanged(): void {
    this.#isStale = true;
    this.#subscriptions.streamsChanged();
  }

  /** Time has passed. When to come again. */
  tick(): number {
    const now = this.#around.now();
    for (const member of [...this.members.values()]) {
      if (member.deadlineMs <= now || member.revokeDueMs <= now) this.#remove(member);
    }
    this.#keep();
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
      topicsHash: this.#topicsHash,
      emptySinceMs: this.emptySinceMs,
      members: Array.from(members, (member) => member.stateToKeep()),
      gone,
    };
  }

  restore(change: ConsumerChange): void {
    this.epoch = change.epoch;
    this.targetEpoch = change.targetEpoch;
    this.assignor = change.assignor;
    this.#topicsHash = change.topicsHash;
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
    this.#isStale = true;
    for (const member of this.members.values()) {
      this.#touch(member);
      this.#watchRevocation(member);
    }
  }

  /** They are kept, and looked at for each new target. @throws GroupError group-full */
  #checkNames({ memberId, names }: HeartbeatRequest): void {
    let count = names?.length ?? 0;
    for (const { id, wishes } of this.members.values()) if (id !== memberId) count += wishes.names.size;
    if (count <= NAMES_MAX) return;
    const text = `the members of the group subscribe to ${count} names together, and may to ${NAMES_MAX}`;
    throw new GroupError('group-full', text);
  }

  #beat(request: HeartbeatRequest): HeartbeatOutcome {
    const known = this.#find(request);
    const member = known ?? this.#enter(request);
    const isNew = known === undefined;
    if (!isNew && request.epoch === 0) this.#startAgain(member);
    const isOther = this.#update(member, request);
    this.#divide(isNew || isOther);
    const { assigned } = member;
    this.#reconcile(member, request.owned);
    this.#touch(member);
    const isWhole = request.epoch === 0 || (request.rebalanceMs !== -1 && request.owned !== null);
    const isToTell = isWhole || !equals(assigned, member.assigned);
    return { memberId: member.id, epoch: member.epoch, assigned: isToTell ? member.assigned : null };
  }

  /** The member that speaks, if it is who it should be; undefined if it is new. */
  #find({ memberId, epoch, instanceId, owned, classic }: HeartbeatRequest): ConsumerMember | undefined {
    const formerId = this.staticMembers.idOf(instanceId);
    const former = formerId === undefined ? undefined : this.members.get(formerId);
    if (epoch === 0) {
      const isReleased = former?.epoch === AWAY_EPOCH || former?.classic != null || classic !== null;
      if (former !== undefined && former.id !== memberId && !isReleased) {
        throw new GroupError(
          'unreleased-instance',
          `'${instanceId}' is still in use by the member '${former.id}'`,
        );
      }
      const known = this.members.get(memberId);
      if (
        known === undefined &&
        former === undefined &&
        this.members.size >= this.#around.settings.membersMax
      ) {
        throw new GroupError('group-full', `the group has ${this.members.size} members, which is the limit`);
      }
      return known;
    }
    const refusal = this.staticMembers.refusalOf(memberId, instanceId);
    if (refusal === 'fenced-instance') {
      throw new GroupError(refusal, `'${instanceId}' is in use by the member '${formerId}'`);
    }
    if (refusal !== null) throw new GroupError(refusal, `no member keeps the name '${instanceId}'`);
    const member = memberOf(this.members, memberId);
    if (epoch > 0) checkEpoch(member, epoch, owned);
    return member;
  }

  /** Somebody new, or one that keeps its name and has been restarted: that one gets what it had. */
  #enter({ memberId, instanceId, clientId, host, ...request }: HeartbeatRequest): ConsumerMember {
    const formerId = this.staticMembers.idOf(instanceId);
    const former = formerId === undefined ? undefined : this.members.get(formerId);
    const wishes: MemberWishes = former?.wishes ?? {
      rackId: request.rackId,
      rebalanceMs: request.rebalanceMs,
      names: new Set(request.names ?? []),
      expression: request.expression,
      assignor: request.assignor,
    };
    const member = new ConsumerMember(memberId, instanceId, clientId, host, wishes);
    if (former === undefined) {
      this.#grow();
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
    member.epoch = 0;
    member.previousEpoch = 0;
    member.state = 'stable';
    member.assigned = NO_PARTITIONS;
    member.revoking = NO_PARTITIONS;
    member.revokeDueMs = NEVER;
    this.#owners.set(member);
    this.#changed.add(member);
  }

  /** True if it reads something else from now on. */
  #update(member: ConsumerMember, request: HeartbeatRequest): boolean {
    const before = member.wishes;
    const names = request.names === null ? before.names : new Set(request.names);
    const wishes: MemberWishes = {
      rackId: request.rackId ?? before.rackId,
      rebalanceMs: request.rebalanceMs === -1 ? before.rebalanceMs : request.rebalanceMs,
      names,
      expression: request.expression ?? before.expression,
      assignor: request.assignor ?? before.assignor,
    };
    if (member.maySee === null && before.expression !== null) this.#isStale = true;
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
    this.#grow();
    return true;
  }

  /**
   * Makes a new target if the present one is not for this epoch, or for other streams. For many members or partitions it
   * is made in turns with others: meanwhile members have what the last one gave to them, and learn what is new with a
   * later heartbeat.
   */
  #divide(isOther: boolean): void {
    if (this.#isDividing || !(isOther || this.#isOutdated)) return;
    const work = this.#dividing();
    for (let steps = 0; steps < STEPS_AT_ONCE_MAX; steps++) if (work.next().done === true) return;
    this.#isDividing = true;
    this.#around.run(this.#dividingOn(work));
  }

  get #isOutdated(): boolean {
    return this.#isStale || this.epoch !== this.targetEpoch;
  }

  *#dividingOn(begun: Work<void>): Work<void> {
    yield* begun;
    // Somebody has come or gone meanwhile.
    while (this.#isOutdated && this.members.size > 0 && this.#around.isThere()) yield* this.#dividing();
    this.#isDividing = false;
    if (this.#around.isThere()) this.#keep();
  }

  *#dividing(): Work<void> {
    this.#isStale = false;
    const reading = yield* Reading.of(this.members.values(), this.#subscriptions);
    if (reading.hash !== this.#topicsHash) {
      this.#topicsHash = reading.hash;
      if (this.epoch === this.targetEpoch) this.#grow();
    }
    if (this.epoch === this.targetEpoch) return;
    const { epoch } = this;
    this.assignor = reading.assignor;
    for (const [member, target] of yield* reading.divide(this.assignor)) {
      if (this.members.get(member.id) !== member) continue;
      member.target = target;
      this.#retargeted.add(member);
    }
    yield* this.#keepMost();
    this.targetEpoch = epoch;
    this.#isChanged = true;
    this.#subscriptions.retain(reading.expressions);
  }

  /**
   * The new targets of many members are several operations of the journal. Until the last one the target is not that of
   * the epoch: were the broker to end between them, another one would be made.
   */
  *#keepMost(): Work<void> {
    while (this.#retargeted.size > MEMBERS_KEPT_AT_ONCE && this.#around.isThere()) {
      const some: ConsumerMember[] = [];
      for (const member of this.#retargeted) if (some.push(member) === MEMBERS_KEPT_AT_ONCE) break;
      for (const member of some) this.#retargeted.delete(member);
      this.#around.changed(this.stateToKeep(some));
      yield;
    }
    for (const member of this.#retargeted) this.#changed.add(member);
    this.#retargeted.clear();
  }

  #reconcile(member: ConsumerMember, reported: PartitionSet | null): void {
    const next = nextPosition(
      member,
      { epoch: this.targetEpoch, target: member.target },
      reported,
      (streamId, partition) => this.#owners.mayOwn(member, streamId, partition),
    );
    if (next === member) return;
    if (next.epoch !== member.epoch) {
      member.previousEpoch = member.epoch;
      member.epoch = next.epoch;
    }
    member.state = next.state;
    member.assigned = next.assigned;
    member.revoking = next.revoking;
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
    this.#grow();
    if (this.members.size === 0) this.emptySinceMs = this.#around.wallMs();
  }

  #forget(member: ConsumerMember | undefined): void {
    if (member === undefined) return;
    this.members.delete(member.id);
    this.#changed.delete(member);
    this.#retargeted.delete(member);
    this.#owners.release(member);
    this.staticMembers.remove(member);
  }

  #grow(): void {
    this.epoch++;
    this.#isChanged = true;
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

  #keep(): void {
    if (!this.#isChanged && this.#changed.size === 0 && this.#gone.length === 0) return;
    this.#around.changed(this.stateToKeep(this.#changed, this.#gone.splice(0)));
    this.#changed.clear();
    this.#isChanged = false;
  }
}
