import { type Work, walked } from '../../../base/turn-time.ts';
import type { HeartbeatOutcome } from '../../../broker/groups/consumer/requests.ts';
import { GroupError } from '../../../broker/groups/group-error.ts';
import { type PartitionSet, PartitionSetBuilder } from '../../../broker/groups/partition-sets.ts';
import { MEMBER_EPOCH } from '../../../wire/kafka/constants.ts';
import type { RequestOf, ResponseInput } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES } from '../../../wire/kafka/error-codes.ts';
import { consumerGroupHeartbeat } from '../../../wire/kafka/messages/consumer-groups.ts';
import { whenMembersDurable } from '../durably.ts';
import { groupErrorCode, groupErrorOf } from '../groups/group-errors.ts';
import { tooManyNames } from '../groups/subscribed-names.ts';
import type { ApiHandler } from '../handler.ts';
import type { RequestContext } from './request-context.ts';

type Request = RequestOf<typeof consumerGroupHeartbeat>;
type Response = ResponseInput<typeof consumerGroupHeartbeat>;

/** From this version on members generate their own ids (KIP-1082). */
const OWN_ID_VERSION = 1;

/** A member of a consumer group joins, heartbeats or leaves, and learns its assignment (KIP-848). */
export const consumerGroupHeartbeatHandler: ApiHandler<typeof consumerGroupHeartbeat> = {
  api: consumerGroupHeartbeat,
  minVersion: 0,
  maxVersion: 1,
  home: 'controller',
  *handle(request, context) {
    const { groupId } = request;
    if (!context.isAllowed('read', 'group', groupId)) {
      return refused(ERROR_CODES.GROUP_AUTHORIZATION_FAILED, null);
    }
    const { broker } = context;
    const { vhost } = context.client;
    try {
      checkNames(request);
      for (const name of request.subscribedTopicNames ?? []) {
        if (!context.isAllowed('describe', 'topic', name)) {
          return refused(ERROR_CODES.TOPIC_AUTHORIZATION_FAILED, null);
        }
        yield;
      }
      check(request, context.version);
      const owned = yield* ownedBy(request);
      const outcome = broker.groups.consumerHeartbeat(vhost, groupId, toHeartbeat(request, owned, context));
      const heartbeatMs = broker.groups.find(vhost, groupId)?.consumerTimes.heartbeatMs ?? 0;
      return whenMembersDurable(broker, vhost, groupId, toResponse(outcome, heartbeatMs));
    } catch (error) {
      const { kind, message } = groupErrorOf(error);
      return refused(groupErrorCode(kind), message);
    }
  },
};

/** That a member holds, which are looked at as a whole. No client comes near this. */
const PARTITIONS_MAX = 100_000;

/** @throws GroupError */
function checkNames({ subscribedTopicNames }: Request): void {
  const tooMany = tooManyNames(subscribedTopicNames);
  if (tooMany !== null) throw new GroupError('invalid-request', tooMany);
}

/** What the member says that it holds; null if it says nothing. @throws GroupError */
function* ownedBy({ topicPartitions }: Request): Work<PartitionSet | null> {
  if (topicPartitions === null) return null;
  const builder = new PartitionSetBuilder();
  let left = PARTITIONS_MAX - topicPartitions.length;
  for (const { topicId, partitions } of topicPartitions) {
    left -= partitions.length;
    if (left < 0) {
      throw new GroupError('invalid-request', `A member holds at most ${PARTITIONS_MAX} partitions.`);
    }
    yield* walked(partitions, (each) => builder.add(topicId, each));
    yield;
  }
  return builder.set;
}

/** @throws GroupError */
function check(request: Request, version: number): void {
  const refuse = (text: string) => {
    throw new GroupError('invalid-request', text);
  };
  const { memberEpoch, memberId, instanceId, topicPartitions } = request;
  if (request.groupId === '') refuse("GroupId can't be empty.");
  if (instanceId === '') refuse("InstanceId can't be empty.");
  if (request.rackId === '') refuse("RackId can't be empty.");
  const mayBeWithoutId = version < OWN_ID_VERSION && memberEpoch === MEMBER_EPOCH.JOIN;
  if (memberId === '' && !mayBeWithoutId) refuse("MemberId can't be empty.");
  if (memberEpoch < MEMBER_EPOCH.LEAVE_STATIC) refuse('MemberEpoch is invalid.');
  if (memberEpoch === MEMBER_EPOCH.LEAVE_STATIC && instanceId === null) refuse("InstanceId can't be null.");
  if (memberEpoch !== MEMBER_EPOCH.JOIN) return;
  if (request.rebalanceTimeoutMs === -1) refuse('RebalanceTimeoutMs must be provided in first request.');
  if (topicPartitions === null || topicPartitions.length > 0) {
    refuse('TopicPartitions must be empty when (re-)joining.');
  }
  if (request.subscribedTopicNames === null && request.subscribedTopicRegex === null) {
    refuse('Either SubscribedTopicNames or SubscribedTopicRegex must be non-null when (re-)joining.');
  }
}

function toHeartbeat(
  request: Request,
  owned: PartitionSet | null,
  context: RequestContext,
): Parameters<RequestContext['broker']['groups']['consumerHeartbeat']>[2] {
  const { memberId, memberEpoch } = request;
  const { address, identity, actor } = context.client;
  return {
    memberId: memberId === '' ? context.broker.groups.newMemberId('member') : memberId,
    epoch: memberEpoch,
    instanceId: request.instanceId,
    rackId: request.rackId,
    rebalanceMs: request.rebalanceTimeoutMs,
    names: request.subscribedTopicNames,
    expression: request.subscribedTopicRegex,
    assignor: request.serverAssignor,
    owned,
    clientId: context.clientId ?? '',
    host: `/${address}`,
    // Of the identity: the member may outlive this connection.
    classic: null,
    user: actor,
    maySee: (name) => identity?.authorizer.may('describe', 'topic', name) ?? false,
  };
}

function toResponse({ memberId, epoch, assigned }: HeartbeatOutcome, heartbeatIntervalMs: number): Response {
  return {
    throttleTimeMs: 0,
    errorCode: ERROR_CODES.NONE,
    memberId,
    memberEpoch: epoch,
    heartbeatIntervalMs: epoch < 0 ? 0 : heartbeatIntervalMs,
    assignment:
      assigned === null
        ? null
        : {
            topicPartitions: Array.from(assigned, ([topicId, partitions]) => ({
              topicId,
              partitions: [...partitions],
            })),
          },
  };
}

function refused(errorCode: number, errorMessage: string | null): Response {
  return { throttleTimeMs: 0, errorCode, errorMessage, memberEpoch: 0, heartbeatIntervalMs: 0 };
}
