import { distinct } from '../../../base/work-collections.ts';
import type { ShareHeartbeatOutcome } from '../../../broker/groups/share/share-group.ts';
import { MEMBER_EPOCH } from '../../../wire/kafka/constants.ts';
import type { RequestOf, ResponseInput } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES, type ErrorCode } from '../../../wire/kafka/error-codes.ts';
import { shareGroupHeartbeat } from '../../../wire/kafka/messages/share-groups.ts';
import { durable } from '../durably.ts';
import { groupErrorCode, groupErrorOf } from '../groups/group-errors.ts';
import { tooManyNames } from '../groups/subscribed-names.ts';
import type { ApiHandler } from '../handler.ts';
import type { RequestContext } from './request-context.ts';

type Request = RequestOf<typeof shareGroupHeartbeat>;
type Response = ResponseInput<typeof shareGroupHeartbeat>;

/** A member of a share group joins, heartbeats or leaves, and learns its assignment (KIP-932). */
export const shareGroupHeartbeatHandler: ApiHandler<typeof shareGroupHeartbeat> = {
  api: shareGroupHeartbeat,
  minVersion: 1,
  maxVersion: 1,
  home: 'controller',
  *handle(request, context) {
    const { groupId, memberId, memberEpoch, rackId, subscribedTopicNames } = request;
    if (!context.isAllowed('read', 'group', groupId)) {
      return failed(ERROR_CODES.GROUP_AUTHORIZATION_FAILED, null);
    }
    const tooMany = tooManyNames(subscribedTopicNames);
    if (tooMany !== null) return failed(ERROR_CODES.INVALID_REQUEST, tooMany);
    const subscribed = subscribedTopicNames === null ? null : yield* distinct(subscribedTopicNames);
    for (const name of subscribed ?? []) {
      if (!context.isAllowed('describe', 'topic', name)) {
        return failed(ERROR_CODES.TOPIC_AUTHORIZATION_FAILED, null);
      }
      yield;
    }
    const fault = faultOf(request);
    if (fault !== null) return failed(ERROR_CODES.INVALID_REQUEST, fault);
    const { client, broker } = context;
    let outcome: ShareHeartbeatOutcome;
    try {
      const { shareGroups } = broker;
      const heartbeat = {
        memberId,
        epoch: memberEpoch,
        rackId,
        subscribed,
        clientId: context.clientId ?? '',
        host: `/${client.address}`,
        user: client.actor,
      };
      outcome = shareGroups.heartbeat(client.vhost, groupId, heartbeat);
      outcome = yield* shareGroups.divided(client.vhost, groupId, heartbeat, outcome);
    } catch (error) {
      const { kind, message } = groupErrorOf(error);
      return failed(groupErrorCode(kind), message);
    }
    yield durable(broker);
    return toResponse(outcome, request, context);
  },
};

function toResponse(
  { epoch, assignment }: ShareHeartbeatOutcome,
  request: Request,
  context: RequestContext,
): Response {
  const group = context.broker.shareGroups.find(context.client.vhost, request.groupId);
  return {
    throttleTimeMs: 0,
    errorCode: ERROR_CODES.NONE,
    memberId: request.memberId,
    memberEpoch: epoch,
    heartbeatIntervalMs: epoch < 0 ? 0 : (group?.settings.heartbeatIntervalMs ?? 0),
    assignment:
      assignment === null
        ? null
        : {
            topicPartitions: Array.from(assignment, ([topicId, partitions]) => ({ topicId, partitions })),
          },
  };
}

function faultOf({ groupId, memberId, memberEpoch, rackId, subscribedTopicNames }: Request): string | null {
  if (groupId.trim() === '') return "GroupId can't be empty.";
  if (memberId.trim() === '') return "MemberId can't be empty.";
  if (rackId !== null && rackId.trim() === '') return "RackId can't be empty.";
  if (memberEpoch < MEMBER_EPOCH.LEAVE) return 'MemberEpoch is invalid.';
  if (memberEpoch === MEMBER_EPOCH.JOIN && (subscribedTopicNames ?? []).length === 0) {
    return 'SubscribedTopicNames must be set in first request.';
  }
  return null;
}

function failed(errorCode: ErrorCode, errorMessage: string | null): Response {
  return { throttleTimeMs: 0, errorCode, errorMessage, memberEpoch: 0, heartbeatIntervalMs: 0 };
}
