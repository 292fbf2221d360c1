import { StaticMembers } from '../static-membership.ts';
import { ClassicMember } from './classic-member.ts';
import { type JoinOutcome, joinFailed, type MemberProtocol, syncFailed } from './requests.ts';

/** Who is in a classic group, who leads, and what they have in common. */
export class Roster {
  readonly members = new Map<string, ClassicMember>();
  /** The first that joined; if it is gone, another one. */
  leader: string | null = null;
  /** Clients that were told their ids and have not joined yet, and until when they are waited for. */
  readonly expected = new Map<string, number>();
  readonly staticMembers = new StaticMembers();
  #joiningCount = 0;

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
  }

  /** At recovery, when nobody waits. */
  clear(): void {
    this.members.clear();
    this.staticMembers.clear();
    this.leader = null;
  }

  /** Whoever still waits on behalf of it is told that it is not known any more. */
  remove(member: ClassicMember): void {
    this.members.delete(member.id);
    this.staticMembers.remove(member);
    this.answerJoin(member, joinFailed('unknown-member', member.id));
    answerSync(member, syncFailed('unknown-member'));
    if (this.leader === member.id) this.leader = this.#anyMember();
  }

  /** The same client under a new id: whoever still uses the old one is fenced off. */
  replace(old: ClassicMember, id: string): ClassicMember {
    this.answerJoin(old, joinFailed('fenced-instance', old.id));
    answerSync(old, syncFailed('fenced-instance'));
    const member = new ClassicMember(id, old, old.protocols);
    member.assignment = old.assignment;
    member.hasSynced = old.hasSynced;
    const wasLeader = this.leader === old.id;
    this.members.delete(old.id);
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
    joining(outcome);
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
    const others = [...this.members.values()].filter((member) => member !== except);
    return protocols.some(({ name }) => others.every((member) => member.supports(name)));
  }

  /** Of what all of them support, that for which most of them vote; null without members. */
  selectProtocol(): string | null {
    const members = [...this.members.values()];
    const candidates = new Set(
      members[0]?.protocols
        .map(({ name }) => name)
        .filter((name) => members.every((member) => member.supports(name))),
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

  #anyMember(): string | null {
    const [first] = this.members.keys();
    return first ?? null;
  }
}

export function answerSync(
  member: ClassicMember,
  outcome: Parameters<NonNullable<ClassicMember['syncing']>>[0],
): void {
  const { syncing } = member;
  member.syncing = null;
  syncing?.(outcome);
}
