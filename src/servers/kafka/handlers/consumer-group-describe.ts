import type { ConsumerGroup } from '../../../broker/groups/consumer/consumer-group.ts';
import type { PartitionSet } from '../../../broker/groups/partition-sets.ts';
import type { ResponseInput } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES, type ErrorName } from '../../../wire/kafka/error-codes.ts';
import { consumerGroupDescribe } from '../../../wire/kafka/messages/consumer-groups.ts';
import { authorizedOperations } from '../groups/authorized-operations.ts';
import type { ApiHandler } from '../handler.ts';
import type { RequestContext } from './request-context.ts';

type Described = ResponseInput<typeof consumerGroupDescribe>['groups'][number];
type Assignment = Described['members'][number]['assignment'];

const CLASSIC_MEMBER = 0;
const CONSUMER_MEMBER = 1;

export const consumerGroupDescribeHandler: ApiHandler<typeof consumerGroupDescribe> = {
  api: consumerGroupDescribe,
  minVersion: 0,
  maxVersion: 1,
  handle({ groupIds, includeAuthorizedOperations }, context) {
    return {
      throttleTimeMs: 0,
      groups: groupIds.map((id) => describe(id, includeAuthorizedOperations, context)),
    };
  },
};

function describe(groupId: string, withOperations: boolean, context: RequestContext): Described {
  if (!context.isAllowed('describe', 'group', groupId))
    return failed(groupId, 'GROUP_AUTHORIZATION_FAILED', null);
  const membership = context.broker.groups.find(context.client.vhost, groupId)?.membership;
  if (membership?.type !== 'consumer') {
    return failed(groupId, 'GROUP_ID_NOT_FOUND', `Group ${groupId} is not a consumer group.`);
  }
  if (!mayKnowTopics(membership, context)) {
    return failed(
      groupId,
      'TOPIC_AUTHORIZATION_FAILED',
      'The group has described topic(s) that the client is not authorized to describe.',
    );
  }
  return {
    errorCode: ERROR_CODES.NONE,
    groupId,
    groupState: membership.state,
    groupEpoch: membership.epoch,
    assignmentEpoch: membership.targetEpoch,
    assignorName: membership.assignor,
    members: membersOf(membership, context),
    authorizedOperations: authorizedOperations(withOperations, 'group', groupId, context),
  };
}

/** Whether the client may describe every topic that members subscribe to or are assigned. */
function mayKnowTopics({ members }: ConsumerGroup, context: RequestContext): boolean {
  const mayKnow = (name: string) => context.isAllowed('describe', 'topic', name);
  const mayKnowAll = (partitions: PartitionSet) =>
    Array.from(partitions, ([topicId]) => context.broker.streams.byId(topicId)?.name ?? '').every(
      (name) => name === '' || mayKnow(name),
    );
  return Array.from(members.values()).every(
    ({ wishes, assigned, target }) =>
      Array.from(wishes.names).every(mayKnow) && mayKnowAll(assigned) && mayKnowAll(target),
  );
}

function membersOf({ members }: ConsumerGroup, context: RequestContext): Described['members'] {
  return Array.from(members.values(), (member) => ({
    memberId: member.id,
    instanceId: member.instanceId,
    rackId: member.wishes.rackId,
    memberEpoch: member.epoch,
    clientId: member.clientId,
    clientHost: member.host,
    subscribedTopicNames: [...member.wishes.names],
    subscribedTopicRegex: member.wishes.expression,
    assignment: assignmentOf(member.assigned, context),
    targetAssignment: assignmentOf(member.target, context),
    memberType: member.classic === null ? CONSUMER_MEMBER : CLASSIC_MEMBER,
  }));
}

function assignmentOf(partitions: PartitionSet, context: RequestContext): Assignment {
  return {
    topicPartitions: Array.from(partitions, ([topicId, indexes]) => ({
      topicId,
      topicName: context.broker.streams.byId(topicId)?.name ?? '',
      partitions: [...indexes],
    })).filter(({ topicName }) => topicName !== ''),
  };
}

function failed(groupId: string, error: ErrorName, errorMessage: string | null): Described {
  return {
    errorCode: ERROR_CODES[error],
    errorMessage,
    groupId,
    groupState: '',
    groupEpoch: 0,
    assignmentEpoch: 0,
    assignorName: '',
    members: [],
  };
}
