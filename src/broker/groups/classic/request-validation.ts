import { GroupError, type GroupErrorKind } from '../group-error.ts';
import { bytesOf, type ClassicMember } from './classic-member.ts';
import type { JoinRequest, MemberRequest, SyncRequest } from './requests.ts';
import type { Roster } from './roster.ts';

/** What a request is held against: a classic group, as far as it counts here. */
export interface ValidatingGroup {
  readonly roster: Roster;
  readonly isEmpty: boolean;
  readonly generation: number;
  readonly protocolType: string | null;
  readonly protocol: string | null;
  readonly state: string;
}

/** What stands against a request of a member, if something does. Nothing changes here. */

export function refusalOfJoin(
  group: ValidatingGroup,
  request: JoinRequest,
  limits: {
    readonly sessionTimeoutMsMin: number;
    readonly sessionTimeoutMsMax: number;
    readonly membersMax: number;
    readonly membershipBytesMax: number;
    readonly protocolsMax: number;
  },
): GroupErrorKind | null {
  const { roster } = group;
  const { memberId, instanceId, sessionMs, protocolType, protocols } = request;
  if (sessionMs < limits.sessionTimeoutMsMin || sessionMs > limits.sessionTimeoutMsMax) {
    return 'invalid-session-timeout';
  }
  const former = roster.staticMembers.idOf(instanceId);
  const known = roster.members.get(memberId);
  if (memberId !== '') {
    const refusal = roster.staticMembers.refusalOf(memberId, instanceId);
    if (refusal !== null) return refusal;
    const isExpected = instanceId === null && roster.expected.has(memberId);
    if (known === undefined && !isExpected) return 'unknown-member';
  }
  const replaced = known ?? (former === undefined ? undefined : roster.members.get(former));
  if (replaced === undefined && roster.size >= limits.membersMax) return 'group-full';
  if (protocolType === '' || protocols.length === 0) return 'inconsistent-protocol';
  if (protocols.length > limits.protocolsMax) return 'invalid-request';
  const bytes = roster.bytes + bytesOf(protocols) - bytesOf(replaced?.protocols ?? []);
  if (bytes > limits.membershipBytesMax) return 'group-full';
  if (group.isEmpty) return null;
  if (protocolType !== group.protocolType) return 'inconsistent-protocol';
  return roster.agreesWith(protocols, replaced) ? null : 'inconsistent-protocol';
}

export function refusalOfMember(
  { roster }: ValidatingGroup,
  { memberId, instanceId }: Omit<MemberRequest, 'generation'>,
): GroupErrorKind | null {
  const refusal = roster.staticMembers.refusalOf(memberId, instanceId);
  if (refusal !== null) return refusal;
  return roster.members.has(memberId) ? null : 'unknown-member';
}

export function refusalOfRequest(group: ValidatingGroup, request: MemberRequest): GroupErrorKind | null {
  const refusal = refusalOfMember(group, request);
  if (refusal !== null) return refusal;
  return request.generation === group.generation ? null : 'illegal-generation';
}

export function refusalOfSync(
  group: ValidatingGroup,
  request: SyncRequest,
  limits: { readonly membershipBytesMax: number },
): GroupErrorKind | null {
  const refusal = refusalOfRequest(group, request);
  if (refusal !== null) return refusal;
  const { protocolType, protocol } = request;
  if (protocolType !== null && protocolType !== group.protocolType) return 'inconsistent-protocol';
  if (protocol !== null && protocol !== group.protocol) return 'inconsistent-protocol';
  if (group.state === 'PreparingRebalance') return 'rebalance-in-progress';
  let { bytes } = group.roster;
  for (const { assignment } of request.assignments) bytes += assignment.length;
  return request.assignments.length > 0 && bytes > limits.membershipBytesMax ? 'group-full' : null;
}

/**
 * The member that commits; undefined if it is none, or is known by its producer alone.
 * @throws GroupError if who commits is not who it should be
 */
export function committerOf(
  group: ValidatingGroup,
  { memberId, instanceId, generation }: MemberRequest,
  isTransactional: boolean,
): ClassicMember | undefined {
  const isMember = generation >= 0 || memberId !== '' || instanceId !== null;
  if (!isMember) {
    if (isTransactional) return undefined;
    throw new GroupError('unknown-member', 'only members commit while there are any');
  }
  const refusal = refusalOfMember(group, { memberId, instanceId });
  if (refusal !== null) throw new GroupError(refusal, `'${memberId}' is not a member of the group`);
  if (generation !== group.generation && !(isTransactional && generation < 0)) {
    throw new GroupError('illegal-generation', `the generation is ${group.generation}, not ${generation}`);
  }
  return group.roster.members.get(memberId);
}
