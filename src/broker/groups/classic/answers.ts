import type { ClassicMember } from './classic-member.ts';
import type { JoinOutcome, SyncOutcome } from './requests.ts';
import type { Roster } from './roster.ts';

/** A classic group in a generation, as its members are told of it. */
export interface AnsweringGroup {
  readonly roster: Roster;
  readonly generation: number;
  readonly protocolType: string;
  readonly protocol: string | null;
}

/** The member is in this generation; the leader is told of all. */
export function joinedAs(group: AnsweringGroup, member: ClassicMember): JoinOutcome {
  const { leader, members } = group.roster;
  const protocol = group.protocol ?? '';
  const all =
    member.id !== leader
      ? []
      : Array.from(members.values(), (each) => ({
          id: each.id,
          instanceId: each.instanceId,
          metadata: each.metadataFor(protocol),
        }));
  return {
    error: null,
    memberId: member.id,
    generation: group.generation,
    protocolType: group.protocolType,
    protocol,
    leader: leader ?? '',
    skipAssignment: false,
    members: all,
  };
}

/** What the leader gave to the member. */
export function assignmentOf(
  { protocolType, protocol }: AnsweringGroup,
  { assignment }: ClassicMember,
): SyncOutcome {
  return { error: null, protocolType, protocol, assignment };
}
