import { mapped, mappedBy, type Work } from '../../../base/turn-time.ts';
import { distinct } from '../../../base/work-collections.ts';
import type { ClassicGroup } from '../../../broker/groups/classic/classic-group.ts';
import type { ResponseInput } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES, type ErrorName } from '../../../wire/kafka/error-codes.ts';
import { describeGroups } from '../../../wire/kafka/messages/group-admin.ts';
import { authorizedOperations } from '../groups/authorized-operations.ts';
import { missingGroup } from '../groups/missing-group.ts';
import type { ApiHandler } from '../handler.ts';
import type { RequestContext } from './request-context.ts';

type Described = ResponseInput<typeof describeGroups>['groups'][number];

/** From this version on an unknown group is GROUP_ID_NOT_FOUND; before it was a group in state Dead (KIP-1043). */
const NOT_FOUND_VERSION = 6;
const NOTHING = Buffer.alloc(0);

export const describeGroupsHandler: ApiHandler<typeof describeGroups> = {
  api: describeGroups,
  minVersion: 0,
  maxVersion: 6,
  home: 'controller',
  *handle({ groups, includeAuthorizedOperations }, context) {
    const described = (id: string): Work<Described> => describe(id, includeAuthorizedOperations, context);
    return { throttleTimeMs: 0, groups: yield* mappedBy(yield* distinct(groups), described) };
  },
};

function* describe(groupId: string, withOperations: boolean, context: RequestContext): Work<Described> {
  if (!context.isAllowed('describe', 'group', groupId))
    return failed(groupId, '', 'GROUP_AUTHORIZATION_FAILED');
  const membership = context.broker.groups.find(context.client.vhost, groupId)?.membership;
  if (membership?.type !== 'classic') {
    const isOld = context.version < NOT_FOUND_VERSION;
    const text = missingGroup('classic', groupId, context);
    return failed(groupId, 'Dead', isOld ? 'NONE' : 'GROUP_ID_NOT_FOUND', text);
  }
  return {
    errorCode: ERROR_CODES.NONE,
    groupId,
    groupState: membership.state,
    protocolType: membership.protocolType,
    protocolData: membership.state === 'Stable' ? (membership.protocol ?? '') : '',
    members: yield* membersOf(membership),
    authorizedOperations: authorizedOperations(withOperations, 'group', groupId, context),
  };
}

/** Metadata and assignment are described in state Stable alone: a rebalance changes them. */
function membersOf({ state, protocol, roster }: ClassicGroup): Work<Described['members'][number][]> {
  const isStable = state === 'Stable';
  return mapped([...roster.members.values()], (member) => ({
    memberId: member.id,
    groupInstanceId: member.instanceId,
    clientId: member.clientId,
    clientHost: member.host,
    memberMetadata: isStable ? member.metadataFor(protocol ?? '') : NOTHING,
    memberAssignment: isStable ? member.assignment : NOTHING,
  }));
}

function failed(
  groupId: string,
  groupState: string,
  error: ErrorName,
  text: string | null = null,
): Described {
  return {
    errorCode: ERROR_CODES[error],
    errorMessage: text,
    groupId,
    groupState,
    protocolType: '',
    protocolData: '',
    members: [],
  };
}
