import type { JoinOutcome } from '../../../broker/groups/classic/requests.ts';
import type { RequestOf, ResponseInput } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES } from '../../../wire/kafka/error-codes.ts';
import { joinGroup } from '../../../wire/kafka/messages/group-membership.ts';
import { whenMembersDurable } from '../durably.ts';
import { groupErrorCode } from '../groups/group-errors.ts';
import type { ApiHandler } from '../handler.ts';
import type { RequestContext } from './request-context.ts';

type Request = RequestOf<typeof joinGroup>;
type Response = ResponseInput<typeof joinGroup>;

/** From this version on a new member is first given its id, with MEMBER_ID_REQUIRED (KIP-394). */
const MEMBER_ID_REQUIRED_VERSION = 4;
const SKIP_ASSIGNMENT_VERSION = 9;
const NULLABLE_PROTOCOL_VERSION = 7;

export const joinGroupHandler: ApiHandler<typeof joinGroup> = {
  api: joinGroup,
  minVersion: 0,
  maxVersion: 9,
  home: 'controller',
  handle(request, context) {
    if (!context.isAllowed('read', 'group', request.groupId)) {
      return refused(ERROR_CODES.GROUP_AUTHORIZATION_FAILED, request.memberId);
    }
    const { broker } = context;
    const { vhost } = context.client;
    if (request.protocols.length > broker.groups.settings.protocolsMax) {
      return refused(ERROR_CODES.INVALID_REQUEST, request.memberId);
    }
    const { promise, resolve } = Promise.withResolvers<JoinOutcome>();
    broker.groups.join(vhost, request.groupId, toJoin(request, context), resolve);
    return promise.then((outcome) =>
      whenMembersDurable(broker, vhost, request.groupId, toResponse(outcome, context.version)),
    );
  },
};

function toJoin(
  request: Request,
  context: RequestContext,
): Parameters<RequestContext['broker']['groups']['join']>[2] {
  const { memberId, groupInstanceId, sessionTimeoutMs, rebalanceTimeoutMs, protocolType, protocols } =
    request;
  return {
    memberId,
    instanceId: groupInstanceId,
    clientId: context.clientId ?? '',
    host: `/${context.client.address}`,
    sessionMs: sessionTimeoutMs,
    // Version 0 has no rebalance timeout: the session timeout is both.
    rebalanceMs: rebalanceTimeoutMs < 0 ? sessionTimeoutMs : rebalanceTimeoutMs,
    protocolType,
    protocols: protocols.map(({ name, metadata }) => ({ name, metadata: Buffer.from(metadata) })),
    requiresKnownId: context.version >= MEMBER_ID_REQUIRED_VERSION,
    canSkipAssignment: context.version >= SKIP_ASSIGNMENT_VERSION,
    user: context.client.actor,
  };
}

function toResponse(outcome: JoinOutcome, version: number): Response {
  if (outcome.error !== null) return refused(groupErrorCode(outcome.error), outcome.memberId);
  return {
    throttleTimeMs: 0,
    errorCode: ERROR_CODES.NONE,
    generationId: outcome.generation,
    protocolType: outcome.protocolType,
    protocolName: outcome.protocol ?? (version >= NULLABLE_PROTOCOL_VERSION ? null : ''),
    leader: outcome.leader,
    skipAssignment: outcome.skipAssignment,
    memberId: outcome.memberId,
    members: outcome.members.map(({ id, instanceId, metadata }) => ({
      memberId: id,
      groupInstanceId: instanceId,
      metadata,
    })),
  };
}

function refused(errorCode: number, memberId: string): Response {
  return { throttleTimeMs: 0, errorCode, protocolName: '', leader: '', memberId, members: [] };
}
