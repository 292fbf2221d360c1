import type { ConsumerGroup } from '../../../broker/groups/consumer/consumer-group.ts';
import type { PartitionSet } from '../../../broker/groups/partition-sets.ts';
import type { ResponseInput } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES, type ErrorName } from '../../../wire/kafka/error-codes.ts';
import { consumerGroupDescribe } from '../../../wire/kafka/messages/consumer-groups.ts';
import { authorizedOperations } from '../groups/authorized-operations.ts';
import type { ApiHandler, Call } from '../handler.ts';

type Described = ResponseInput<typeof consumerGroupDescribe>['groups'][number];
type Assignment = Described['members'][number]['assignment'];

const CLASSIC_MEMBER = 0;
const CONSUMER_MEMBER = 1;

export const consumerGroupDescribeHandler: ApiHandler<typeof consumerGroupDescribe> = {
  api: consumerGroupDescribe,
  minVersion: 0,
  maxVersion: 1,
  handle({ groupIds, includeAuthorizedOperations }, call) {
    return {
      throttleTimeMs: 0,
      groups: groupIds.map((id) => describe(id, includeAuthorizedOperations, call)),
    };
  },
};

function describe(groupId: string, withOperations: boolean, call: Call): Described {
  if (!call.isAllowed('describe', 'group', groupId))
    return failed(groupId, 'GROUP_AUTHORIZATION_FAILED', null);
  const membership = call.server.broker.groups.find(call.connection.vhost, groupId)?.membership;
  if (membership?.type !== 'consumer') {
    return failed(groupId, 'GROUP_ID_NOT_FOUND', `Group ${groupId} is not a consumer group.`);
  }
  if (!mayKnowTopics(membership, call)) {
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
    members: membersOf(membership, call),
    authorizedOperations: authorizedOperations(withOperations, 'group', groupId, call),
  };
}

/** Of a group that reads what one may not know of, one is told nothing. */
function mayKnowTopics({ members }: ConsumerGroup, call: Call): boolean {
  const mayKnow = (name: string) => call.isAllowed('describe', 'topic', name);
  const mayKnowAll = (partitions: PartitionSet) =>
    Array.from(partitions, ([topicId]) => call.server.broker.streams.byId(topicId)?.name ?? '').every(
      (name) => name === '' || mayKnow(name),
    );
  return Array.from(members.values()).every(
    ({ wishes, assigned, target }) =>
      Array.from(wishes.names).every(mayKnow) && mayKnowAll(assigned) && mayKnowAll(target),
  );
}

function membersOf({ members }: ConsumerGroup, call: Call): Described['members'] {
  return Array.from(members.values(), (member) => ({
    memberId: member.id,
    instanceId: member.instanceId,
    rackId: member.wishes.rackId,
    memberEpoch: member.epoch,
    clientId: member.clientId,
    clientHost: member.host,
    subscribedTopicNames: [...member.wishes.names],
    subscribedTopicRegex: member.wishes.expression,
    assignment: assignmentOf(member.assigned, call),
    targetAssignment: assignmentOf(member.target, call),
    memberType: member.classic === null ? CONSUMER_MEMBER : CLASSIC_MEMBER,
  }));
}

function assignmentOf(partitions: PartitionSet, call: Call): Assignment {
  return {
    topicPartitions: Array.from(partitions, ([topicId, indexes]) => ({
      topicId,
      topicName: call.server.broker.streams.byId(topicId)?.name ?? '',
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
