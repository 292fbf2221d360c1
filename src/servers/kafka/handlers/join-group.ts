import type { JoinOutcome } from '../../../broker/groups/classic/requests.ts';
import type { RequestOf, ResponseInput } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES } from '../../../wire/kafka/error-codes.ts';
import { joinGroup } from '../../../wire/kafka/messages/group-membership.ts';
import { groupErrorCode } from '../groups/group-errors.ts';
import { whenMembersDurable } from '../groups/when-durable.ts';
import type { ApiHandler, Call } from '../handler.ts';

type Request = RequestOf<typeof joinGroup>;
type Response = ResponseInput<typeof joinGroup>;

/** KIP-394: who is new learns its id first. */
const MEMBER_ID_REQUIRED_VERSION = 4;
const SKIP_ASSIGNMENT_VERSION = 9;
const NULLABLE_PROTOCOL_VERSION = 7;

export const joinGroupHandler: ApiHandler<typeof joinGroup> = {
  api: joinGroup,
  minVersion: 0,
  maxVersion: 9,
  handle(request, call) {
    if (!call.isAllowed('read', 'group', request.groupId)) {
      return refused(ERROR_CODES.GROUP_AUTHORIZATION_FAILED, request.memberId);
    }
    const { promise, resolve } = Promise.withResolvers<JoinOutcome>();
    const { broker } = call.server;
    const { vhost } = call.connection;
    broker.groups.join(vhost, request.groupId, toJoin(request, call), resolve);
    return promise.then((outcome) =>
      whenMembersDurable(broker, vhost, request.groupId, toResponse(outcome, call.version)),
    );
  },
};

function toJoin(request: Request, call: Call): Parameters<Call['server']['broker']['groups']['join']>[2] {
  const { memberId, groupInstanceId, sessionTimeoutMs, rebalanceTimeoutMs, protocolType, protocols } =
    request;
  return {
    memberId,
    instanceId: groupInstanceId,
    clientId: call.clientId ?? '',
    host: `/${call.connection.address}`,
    sessionMs: sessionTimeoutMs,
    // Before version 1 there was one time for both.
    rebalanceMs: rebalanceTimeoutMs < 0 ? sessionTimeoutMs : rebalanceTimeoutMs,
    protocolType,
    protocols: protocols.map(({ name, metadata }) => ({ name, metadata: Buffer.from(metadata) })),
    requiresKnownId: call.version >= MEMBER_ID_REQUIRED_VERSION,
    canSkipAssignment: call.version >= SKIP_ASSIGNMENT_VERSION,
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
