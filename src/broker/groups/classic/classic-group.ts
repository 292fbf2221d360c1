import { GroupError, type GroupErrorKind } from '../group-error.ts';
import type { ClassicGroupSet } from '../operations.ts';
import { assignmentOf, joinedAs } from './answers.ts';
import { ClassicMember } from './classic-member.ts';
import type { ClassicSurroundings } from './ports.ts';
import { committerOf, refusalOfJoin, refusalOfRequest, refusalOfSync } from './request-validation.ts';
import {
  type JoinOutcome,
  type JoinRequest,
  joinFailed,
  type MemberRequest,
  type SyncOutcome,
  type SyncRequest,
  syncFailed,
} from './requests.ts';
import { Roster } from './roster.ts';

export type ClassicState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable' | 'Dead';

const NEVER = Number.POSITIVE_INFINITY;
const NOTHING = Buffer.alloc(0);

/**
 * A group whose members divide the partitions among themselves: the broker gathers them, tells one of them, the
 * leader, what all of them want, and passes on what it decides. What that means is theirs.
 *
 *     Empty ──join──▶ PreparingRebalance ──all have joined──▶ CompletingRebalance ──leader's word──▶ Stable
 *                            ▲  ▲                                    │                                 │
 *                            │  └──── somebody comes or goes ────────┘                                 │
 *                            └─────────────────────────────────────────────────────────────────────────┘
 *
 * Each time that all have joined is a new generation; who still speaks for an old one is told so.
 */
export class ClassicGroup {
  readonly type = 'classic';
  readonly roster: Roster;
  state: ClassicState = 'Empty';
  generation = 0;
  /** Empty if nobody ever was a member: then offsets are all there is. */
  protocolType = '';
  protocol: string | null = null;
  /** Since the epoch. */
  emptySinceMs: number | null = null;
  readonly #around: ClassicSurroundings;
  /** Until when those that have not joined are waited for. */
  #rebalanceDueMs = NEVER;
  /** Until when the first ones wait for more, if they do; longer if more came meanwhile. */
  #delayDueMs: number | null = null;
  #hasGrown = false;
  /** Of the group when it was of the other kind. */
  #lastGeneration = 0;
  /** Until when all have to ask for their part. */
  #syncDueMs = NEVER;

  constructor(around: ClassicSurroundings) {
    this.#around = around;
    this.roster = new Roster((answer) => around.give(answer));
  }

  /** The next one is after this. */
  get latestGeneration(): number {
    return Math.max(this.generation, this.#lastGeneration);
  }

  get isEmpty(): boolean {
    return this.roster.size === 0;
  }

  join(request: JoinRequest, done: (outcome: JoinOutcome) => void): void {
    const { memberId, instanceId } = request;
    const known = this.roster.members.get(memberId);
    const former = this.roster.staticMembers.idOf(instanceId);
    const refusal = refusalOfJoin(this, request, this.#around.settings);
    if (refusal !== null) {
      done(joinFailed(refusal, refusal === 'group-full' ? '' : memberId));
    } else if (known !== undefined) {
      this.#joinAgain(known, request, done);
    } else if (memberId !== '') {
      this.#add(memberId, request, done);
    } else if (former !== undefined) {
      this.#comeBack(this.roster.members.get(former) as ClassicMember, request, done);
    } else {
      const id = this.#around.newId(instanceId ?? request.clientId);
      if (instanceId === null && request.requiresKnownId) this.#expect(id, request, done);
      else this.#add(id, request, done);
    }
  }

  sync(request: SyncRequest, done: (outcome: SyncOutcome) => void): void {
    const refusal = refusalOfSync(this, request, this.#around.settings);
    if (refusal !== null) {
      done(syncFailed(refusal));
      return;
    }
    const member = this.roster.members.get(request.memberId) as ClassicMember;
    this.#touch(member);
    member.hasSynced = true;
    if (this.state === 'Stable') {
      done(assignmentOf(this, member));
      return;
    }
    this.roster.answerSync(member, syncFailed('rebalance-in-progress'));
    member.syncing = done;
    member.deadlineMs = NEVER;
    if (member.id === this.roster.leader) this.#assign(request);
  }

  heartbeat(request: MemberRequest): GroupErrorKind | null {
    const refusal = refusalOfRequest(this, request);
    if (refusal !== null) return refusal;
    this.#touch(this.roster.members.get(request.memberId) as ClassicMember);
    return this.state === 'PreparingRebalance' ? 'rebalance-in-progress' : null;
  }

  /** Several at once, as an administrator may make them. */
  leave(leaving: readonly Omit<MemberRequest, 'generation'>[]): (GroupErrorKind | null)[] {
    const results = leaving.map((each) => this.roster.takeOut(each));
    if (results.includes(null)) this.#shrunk();
    return results;
  }

  /** @throws GroupError if who commits is not who it should be */
  checkCommit(request: MemberRequest, isTransactional: boolean): void {
    if (request.generation < 0 && this.isEmpty) return;
    const member = committerOf(this, request, isTransactional);
    if (member !== undefined) this.#touch(member);
    if (!isTransactional && this.state === 'CompletingRebalance') {
      throw new GroupError('rebalance-in-progress', 'the partitions are being divided');
    }
  }

  /** Time has passed. When to come again. */
  tick(): number {
    const now = this.#around.now();
    let count = 0;
    for (const [id, dueMs] of this.roster.expected) {
      if (dueMs <= now && this.roster.expected.delete(id)) count++;
    }
    for (const member of [...this.roster.members.values()]) {
      const isLate = this.#syncDueMs <= now && !member.hasSynced;
      if (member.deadlineMs > now && !isLate) continue;
      this.roster.remove(member);
      count++;
    }
    if (this.#syncDueMs <= now) this.#syncDueMs = NEVER;
    if (count > 0) this.#shrunk();
    else if (this.state === 'PreparingRebalance') this.#joinIfComplete();
    return this.#nextDueMs();
  }

  /** The group goes on as one of the other kind, with the same members: who waits comes again. */
  dissolve(): void {
    this.state = 'Dead';
    for (const member of this.roster.members.values()) {
      this.roster.answerJoin(member, joinFailed('rebalance-in-progress', member.id));
      this.roster.answerSync(member, syncFailed('rebalance-in-progress'));
    }
  }

  /** All who wait are told; nothing comes after that. */
  end(): void {
    this.state = 'Dead';
    for (const member of [...this.roster.members.values()]) this.roster.remove(member);
  }

  stateToKeep(): Omit<ClassicGroupSet, 'op' | 'v' | 'g'> {
    const { generation, protocolType, protocol, emptySinceMs } = this;
    const members = Array.from(this.roster.members.values(), (member) => member.stateFor(protocol ?? ''));
    const { leader } = this.roster;
    const after = this.latestGeneration > generation ? { after: this.latestGeneration } : {};
    return { generation, protocolType, protocol, leader, emptySinceMs, ...after, members };
  }

  restore(state: Omit<ClassicGroupSet, 'op' | 'v' | 'g'>): void {
    this.generation = state.generation;
    this.#lastGeneration = state.after ?? 0;
    this.protocolType = state.protocolType;
    this.protocol = state.protocol;
    this.emptySinceMs = state.emptySinceMs;
    this.state = state.members.length > 0 ? 'Stable' : 'Empty';
    this.roster.clear();
    for (const each of state.members) {
      const member = ClassicMember.restore(each, state.protocol ?? '');
      member.hasSynced = true;
      this.roster.add(member);
    }
    this.roster.leader = state.leader;
  }

  /** Members that were restored have the time to be heard; they join again if the group was of the other kind. */
  recovered(): void {
    for (const member of this.roster.members.values()) this.#touch(member);
    if (this.roster.size > 0 && this.latestGeneration > this.generation) this.#rebalance();
  }

  #expect(id: string, { sessionMs }: JoinRequest, done: (outcome: JoinOutcome) => void): void {
    const dueMs = this.#around.now() + sessionMs;
    this.roster.expected.set(id, dueMs);
    this.#around.wakeAt(dueMs);
    done(joinFailed('member-id-required', id));
  }

  #add(id: string, request: JoinRequest, done: (outcome: JoinOutcome) => void): void {
    if (this.isEmpty) this.protocolType = request.protocolType;
    const member = new ClassicMember(id, request, request.protocols);
    this.roster.add(member);
    this.roster.awaitJoin(member, done);
    this.#hasGrown = true;
    this.#rebalance();
  }

  #joinAgain(member: ClassicMember, request: JoinRequest, done: (outcome: JoinOutcome) => void): void {
    const isSame = member.offers(request.protocols);
    // It may have missed the answer; a leader that comes back while all is well wants a new division.
    if (this.state === 'CompletingRebalance' && isSame) {
      this.#touch(member);
      done(joinedAs(this, member));
    } else if (this.state === 'Stable' && isSame && member.id !== this.roster.leader) {
      this.#touch(member);
      done(joinedAs(this, member));
    } else {
      this.roster.update(member, request);
      this.roster.awaitJoin(member, done);
      this.#rebalance();
    }
  }

  /** A client that keeps its name has been restarted: if nothing else is new, it gets what it had (KIP-345). */
  #comeBack(old: ClassicMember, request: JoinRequest, done: (outcome: JoinOutcome) => void): void {
    const wasLeader = this.roster.leader === old.id;
    const member = this.roster.replace(old, this.#around.newId(request.instanceId ?? ''));
    this.roster.update(member, request);
    if (this.state !== 'Stable' || this.roster.selectProtocol() !== this.protocol) {
      this.roster.awaitJoin(member, done);
      this.#rebalance();
      return;
    }
    this.#touch(member);
    this.#around.changed();
    const outcome = joinedAs(this, member);
    if (!wasLeader) done(outcome);
    else if (request.canSkipAssignment) done({ ...outcome, skipAssignment: true });
    // A client that cannot be told so must not take itself for the leader: it would wait for all to join.
    else done({ ...outcome, leader: old.id, members: [] });
  }

  /** Somebody came, or wants something else. */
  #rebalance(): void {
    if (this.state === 'PreparingRebalance') {
      this.#joinIfComplete();
      return;
    }
    for (const member of this.roster.members.values()) {
      if (member.syncing === null) continue;
      this.roster.answerSync(member, syncFailed('rebalance-in-progress'));
      this.#touch(member);
    }
    const now = this.#around.now();
    const { initialRebalanceDelayMs } = this.#around.settings;
    const isFirst = this.state === 'Empty' && initialRebalanceDelayMs > 0;
    this.#delayDueMs = isFirst ? now + initialRebalanceDelayMs : null;
    this.#hasGrown = false;
    this.#syncDueMs = NEVER;
    this.#rebalanceDueMs = now + this.roster.rebalanceMsMax;
    this.state = 'PreparingRebalance';
    this.#joinIfComplete();
    if (this.state === 'PreparingRebalance') this.#around.wakeAt(this.#nextDueMs());
  }

  /** Somebody went. */
  #shrunk(): void {
    if (this.state === 'PreparingRebalance') this.#joinIfComplete();
    else if (this.state !== 'Empty' && this.roster.size === 0) this.#becomeEmpty();
    else if (this.state !== 'Empty') this.#rebalance();
  }

  #joinIfComplete(): void {
    const now = this.#around.now();
    if (now >= this.#rebalanceDueMs) {
      this.#completeJoin();
    } else if (this.#delayDueMs !== null && this.roster.size > 0) {
      this.#endDelay(now, this.#delayDueMs);
    } else if (this.roster.isComplete) {
      this.#completeJoin();
    }
  }

  #endDelay(now: number, dueMs: number): void {
    if (now < dueMs) return;
    if (this.#hasGrown) {
      this.#hasGrown = false;
      this.#delayDueMs = now + this.#around.settings.initialRebalanceDelayMs;
    } else {
      this.#delayDueMs = null;
      this.#joinIfComplete();
    }
  }

  /** A generation begins, of those who are here. Clients that keep their names may be away for a while. */
  #completeJoin(): void {
    for (const member of [...this.roster.members.values()]) {
      if (member.joining === null && member.instanceId === null) this.roster.remove(member);
    }
    this.roster.expected.clear();
    if (this.roster.size === 0) {
      this.#becomeEmpty();
      return;
    }
    const now = this.#around.now();
    if (!this.roster.electJoined()) {
      this.#rebalanceDueMs = now + this.roster.rebalanceMsMax;
      return;
    }
    this.generation = this.latestGeneration + 1;
    this.protocol = this.roster.selectProtocol();
    this.state = 'CompletingRebalance';
    this.emptySinceMs = null;
    this.#rebalanceDueMs = NEVER;
    this.#delayDueMs = null;
    this.#syncDueMs = now + this.roster.rebalanceMsMax;
    this.#around.wakeAt(this.#syncDueMs);
    for (const member of [...this.roster.members.values()]) {
      member.hasSynced = false;
      if (member.joining === null) continue;
      this.roster.answerJoin(member, joinedAs(this, member));
      this.#touch(member);
    }
  }

  #becomeEmpty(): void {
    this.state = 'Empty';
    this.generation = this.latestGeneration + 1;
    this.protocol = null;
    this.roster.leader = null;
    this.#rebalanceDueMs = NEVER;
    this.#delayDueMs = null;
    this.#syncDueMs = NEVER;
    this.emptySinceMs = this.#around.wallMs();
    this.#around.changed();
  }

  /** The leader's word: who is not named gets nothing. */
  #assign({ assignments }: SyncRequest): void {
    const parts = new Map(assignments.map(({ memberId, assignment }) => [memberId, assignment]));
    for (const member of this.roster.members.values()) {
      this.roster.assign(member, parts.get(member.id) ?? NOTHING);
    }
    this.state = 'Stable';
    this.#around.changed();
    for (const member of [...this.roster.members.values()]) {
      if (member.syncing === null) continue;
      this.roster.answerSync(member, assignmentOf(this, member));
      this.#touch(member);
    }
  }

  /** It was heard. */
  #touch(member: ClassicMember): void {
    if (member.isWaiting) return;
    member.deadlineMs = this.#around.now() + member.sessionMs;
    this.#around.wakeAt(member.deadlineMs);
  }

  #nextDueMs(): number {
    let dueMs = Math.min(this.#syncDueMs, this.#rebalanceDueMs, this.#delayDueMs ?? NEVER);
    for (const each of this.roster.expected.values()) dueMs = Math.min(dueMs, each);
    for (const { deadlineMs } of this.roster.members.values()) dueMs = Math.min(dueMs, deadlineMs);
    return dueMs;
  }
}
