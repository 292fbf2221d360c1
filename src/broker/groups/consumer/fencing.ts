import { GroupError } from '../group-error.ts';
import { isSubset, type PartitionSet } from '../partition-sets.ts';
import type { ConsumerMember } from './consumer-member.ts';

/** Whether who speaks is who it should be, and knows what it should: each throws a GroupError if not. */

/** One epoch behind is what a member is when it missed an answer; then it has nothing that it should not have. */
export function checkEpoch(member: ConsumerMember, epoch: number, owned: PartitionSet | null): void {
  if (epoch === member.epoch) return;
  const missedAnswer = epoch === member.previousEpoch && owned !== null && isSubset(owned, member.assigned);
  if (missedAnswer) return;
  throw new GroupError(
    'fenced-epoch',
    `the member's epoch is ${member.epoch}, not ${epoch}: it has to give up its partitions and to join again`,
  );
}

/** Of one that commits. */
export function checkCommitter(
  members: ReadonlyMap<string, ConsumerMember>,
  memberId: string,
  epoch: number,
  knowsEpochs: boolean,
): void {
  if (epoch < 0 && members.size === 0) return;
  const member = memberOf(members, memberId);
  if (member.classic !== null) {
    if (epoch === member.epoch) return;
    throw new GroupError('illegal-generation', `the generation is ${member.epoch}, not ${epoch}`);
  }
  if (!knowsEpochs) {
    throw new GroupError('unsupported-version', 'members of this group have to commit with their epoch');
  }
  checkSameEpoch(member, epoch);
}

/** Of one that asks how far it was. Who does not say who it is may ask. */
export function checkAsker(
  members: ReadonlyMap<string, ConsumerMember>,
  memberId: string | null,
  epoch: number,
): void {
  if (memberId === null && epoch < 0) return;
  checkSameEpoch(memberOf(members, memberId ?? ''), epoch);
}

export function memberOf(members: ReadonlyMap<string, ConsumerMember>, id: string): ConsumerMember {
  const member = members.get(id);
  if (member === undefined) throw new GroupError('unknown-member', `'${id}' is not a member of the group`);
  return member;
}

function checkSameEpoch(member: ConsumerMember, epoch: number): void {
  if (epoch === member.epoch) return;
  throw new GroupError('stale-epoch', `the member's epoch is ${member.epoch}, not ${epoch}`);
}
