import type { GroupErrorKind } from '../group-error.ts';
import { StaticMembers } from '../static-membership.ts';
import { ClassicMember, type MemberFacts } from './classic-member.ts';
import {
  type JoinOutcome,
  joinFailed,
  type MemberProtocol,
  type MemberRequest,
  type SyncOutcome,
  syncFailed,
} from './requests.ts';

/** Who is in a classic group, who leads, and what they have in common. */
export class Roster {
  readonly members = new Map<string, ClassicMember>();
  /** The first that joined; if it is gone, another one. */
  leader: string | null = null;
  /** Clients that were told their ids and have not joined yet, and until when they are waited for. */
  readonly expected = new Map<string, number>();
  readonly staticMembers = new StaticMembers();
  /** What members hold here: names, what they tell the leader, and what it gave to them. */
  bytes = 0;
  readonly #give: (answer: () => void) => void;
  /** How many members support each protocol. */
  readonly #supporters = new Map<string, number>();
  #joiningCount = 0;

  /** `give` calls what it is given, now or soon, in this order. */
  constructor(give: (answer: () => void) => void) {
    this.#give = give;
  }

  get size(): number {
    return this.members.size;
  }

  get joiningCount(): number {
    return this.#joiningCount;
  }

  /** Everybody is here, and nobody is expected. */
  get isComplete(): boolean {
    return this.#joiningCount === this.members.size && this.expected.size === 0;
  }

  get rebalanceMsMax(): number {
    let longest = 0;
    for (const { rebalanceMs } of this.members.values()) longest = Math.max(longest, rebalanceMs);
    return longest;
  }

  add(member: ClassicMember): void {
    this.members.set(member.id, member);
    this.expected.delete(member.id);
    this.staticMembers.add(member);
    this.leader ??= member.id;
    this.#count(member, 1);
  }

  /** The member comes with these, and perhaps from another place. */
  update(member: ClassicMember, from: MemberFacts): void {
    const isIn = this.members.get(member.id) === member;
    if (isIn) this.#count(member, -1);
    member.update(from);
    if (isIn) this.#count(member, 1);
  }

  assign(member: ClassicMember, assignment: Buffer): void {
    this.bytes += assignment.length - member.assignment.length;
    member.assignment = assignment;
  }

  /** At recovery, when nobody waits. */
  clear(): void {
    this.members.clear();
    this.staticMembers.clear();
    this.#supporters.clear();
    this.bytes = 0;
    this.leader = null;
  }

  /** Whoever still waits on behalf of it is told that it is not known any more. */
  remove(member: ClassicMember): void {
    if (this.members.delete(member.id)) this.#count(member, -1);
    this.staticMembers.remove(member);
    this.answerJoin(member, joinFailed('unknown-member', member.id));
    this.answerSync(member, syncFailed('unknown-member'));
    if (this.leader === member.id) this.leader = this.#anyMember();
  }

  /** A member leaves, by the name that it keeps, or else by its id; or one that is expected. */
  takeOut({ memberId, instanceId }: Omit<MemberRequest, 'generation'>): GroupErrorKind | null {
    if (instanceId === null && this.expected.delete(memberId)) return null;
    const id = instanceId === null ? memberId : this.staticMembers.idOf(instanceId);
    const member = id === undefined ? undefined : this.members.get(id);
    if (member === undefined) return 'unknown-member';
    if (memberId !== '' && memberId !== member.id) return 'fenced-instance';
    this.remove(member);
    return null;
  }

  /** The same client under a new id: whoever still uses the old one is fenced off. */
  replace(old: ClassicMember, id: string): ClassicMember {
    this.answerJoin(old, joinFailed('fenced-instance', old.id));
    this.answerSync(old, syncFailed('fenced-instance'));
    const member = new ClassicMember(id, old, old.protocols);
    member.assignment = old.assignment;
    member.hasSynced = old.hasSynced;
    const wasLeader = this.leader === old.id;
    if (this.members.delete(old.id)) this.#count(old, -1);
    this.add(member);
    if (wasLeader) this.leader = id;
    return member;
  }

  awaitJoin(member: ClassicMember, done: (outcome: JoinOutcome) => void): void {
    // It asks once more, as its first request is lost to it.
    this.answerJoin(member, joinFailed('rebalance-in-progress', member.id));
    member.joining = done;
    member.deadlineMs = Number.POSITIVE_INFINITY;
    this.#joiningCount++;
  }

  answerJoin(member: ClassicMember, outcome: JoinOutcome): void {
    const { joining } = member;
    if (joining === null) return;
    member.joining = null;
    this.#joiningCount--;
    this.#give(() => joining(outcome));
  }

  answerSync(member: ClassicMember, outcome: SyncOutcome): void {
    const { syncing } = member;
    if (syncing === null) return;
    member.syncing = null;
    this.#give(() => syncing(outcome));
  }

  /** The leader has to be one that joined. False if nobody did. */
  electJoined(): boolean {
    if (this.leader !== null && this.members.get(this.leader)?.joining) return true;
    for (const member of this.members.values()) {
      if (member.joining === null) continue;
      this.leader = member.id;
      return true;
    }
    return false;
  }

  /** Whether one that offers this could agree with those who are there, `except` for one of them. */
  agreesWith(protocols: readonly MemberProtocol[], except?: ClassicMember): boolean {
    const others = this.members.size - (except === undefined ? 0 : 1);
    return protocols.some(({ name }) => {
      const supporters = this.#supporters.get(name) ?? 0;
      return supporters - (except?.supports(name) === true ? 1 : 0) === others;
    });
  }

  /** Of what all of them support, that for which most of them vote; null without members. */
  selectProtocol(): string | null {
    const members = [...this.members.values()];
    const candidates = new Set(
      members[0]?.protocols
        .map(({ name }) => name)
        .filter((name) => this.#supporters.get(name) === members.length),
    );
    const votes = new Map<string, number>();
    for (const member of members) {
      const vote = member.voteFor(candidates);
      if (vote !== undefined) votes.set(vote, (votes.get(vote) ?? 0) + 1);
    }
    let best: string | null = null;
    for (const [name, count] of votes) if (best === null || count > (votes.get(best) ?? 0)) best = name;
    return best;
  }

  /** `difference` is 1 for one that comes, -1 for one that goes. */
  #count(member: ClassicMember, difference: 1 | -1): void {
    this.bytes += difference * member.bytes;
    for (const name of new Set(member.protocols.map((protocol) => protocol.name))) {
      const supporters = (this.#supporters.get(name) ?? 0) + difference;
      if (supporters > 0) this.#supporters.set(name, supporters);
      else this.#supporters.delete(name);
    }
  }

  #anyMember(): string | null {
    const [first] = this.members.keys();
    return first ?? null;
  }
}
