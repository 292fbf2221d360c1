import { GroupError } from '../group-error.ts';
import { isSubset, type PartitionSet } from '../partition-sets.ts';
import type { StaticMembers } from '../static-membership.ts';
import { AWAY_EPOCH, type ConsumerMember } from './consumer-member.ts';
import type { HeartbeatRequest } from './requests.ts';

/** Whether who speaks is who it should be, and knows what it should: each throws a GroupError if not. */

/** Of a heartbeat; undefined if it is a new member. @throws GroupError */
export function memberThatSpeaks(
  members: ReadonlyMap<string, ConsumerMember>,
  staticMembers: StaticMembers,
  { memberId, epoch, instanceId, owned, classic }: HeartbeatRequest,
  membersMax: number,
): ConsumerMember | undefined {
  const formerId = staticMembers.idOf(instanceId);
  if (epoch === 0) {
    const former = formerId === undefined ? undefined : members.get(formerId);
    const isReleased = former?.epoch === AWAY_EPOCH || former?.classic != null || classic !== null;
    if (former !== undefined && former.id !== memberId && !isReleased) {
      throw new GroupError(
        'unreleased-instance',
        `'${instanceId}' is still in use by the member '${former.id}'`,
      );
    }
    const known = members.get(memberId);
    if (known === undefined && former === undefined && members.size >= membersMax) {
      throw new GroupError('group-full', `the group has ${members.size} members, which is the limit`);
    }
    return known;
  }
  const refusal = staticMembers.refusalOf(memberId, instanceId);
  if (refusal === 'fenced-instance') {
    throw new GroupError(refusal, `'${instanceId}' is in use by the member '${formerId}'`);
  }
  if (refusal !== null) throw new GroupError(refusal, `no member keeps the name '${instanceId}'`);
  const member = memberOf(members, memberId);
  if (epoch > 0) checkEpoch(member, epoch, owned);
  return member;
}

/** One epoch behind is what a member is when it missed an answer; then it has nothing that it should not have. */
function checkEpoch(member: ConsumerMember, epoch: number, owned: PartitionSet | null): void {
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

function memberOf(members: ReadonlyMap<string, ConsumerMember>, id: string): ConsumerMember {
  const member = members.get(id);
  if (member === undefined) throw new GroupError('unknown-member', `'${id}' is not a member of the group`);
  return member;
}

function checkSameEpoch(member: ConsumerMember, epoch: number): void {
  if (epoch === member.epoch) return;
  throw new GroupError('stale-epoch', `the member's epoch is ${member.epoch}, not ${epoch}`);
}
