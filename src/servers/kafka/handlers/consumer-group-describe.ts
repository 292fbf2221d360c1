import { mapped, mappedBy, type Work } from '../../../base/turn-time.ts';
import { distinct } from '../../../base/work-collections.ts';
import type { ConsumerGroup } from '../../../broker/groups/consumer/consumer-group.ts';
import type { PartitionSet } from '../../../broker/groups/partition-sets.ts';
import type { ResponseInput } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES, type ErrorName } from '../../../wire/kafka/error-codes.ts';
import { consumerGroupDescribe } from '../../../wire/kafka/messages/consumer-groups.ts';
import { authorizedOperations } from '../groups/authorized-operations.ts';
import { missingGroup } from '../groups/missing-group.ts';
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
  home: 'controller',
  *handle({ groupIds, includeAuthorizedOperations }, context) {
    const described = (id: string): Work<Described> => describe(id, includeAuthorizedOperations, context);
    return { throttleTimeMs: 0, groups: yield* mappedBy(yield* distinct(groupIds), described) };
  },
};

function* describe(groupId: string, withOperations: boolean, context: RequestContext): Work<Described> {
  if (!context.isAllowed('describe', 'group', groupId))
    return failed(groupId, 'GROUP_AUTHORIZATION_FAILED', null);
  const membership = context.broker.groups.find(context.client.vhost, groupId)?.membership;
  if (membership?.type !== 'consumer') {
    return failed(groupId, 'GROUP_ID_NOT_FOUND', missingGroup('consumer', groupId, context));
  }
  if (!(yield* mayKnowTopics(membership, context))) {
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
    members: yield* membersOf(membership, context),
    authorizedOperations: authorizedOperations(withOperations, 'group', groupId, context),
  };
}

/** Whether the client may describe every topic that members subscribe to or are assigned. */
function* mayKnowTopics({ members }: ConsumerGroup, context: RequestContext): Work<boolean> {
  const names = new Set<string>();
  for (const { wishes, assigned, target } of [...members.values()]) {
    for (const name of wishes.names) names.add(name);
    for (const partitions of [assigned, target]) {
      for (const [topicId] of partitions) names.add(context.broker.streams.byId(topicId)?.name ?? '');
    }
    yield;
  }
  names.delete('');
  for (const name of names) {
    if (!context.isAllowed('describe', 'topic', name)) return false;
    yield;
  }
  return true;
}

function membersOf(
  { members }: ConsumerGroup,
  context: RequestContext,
): Work<Described['members'][number][]> {
  return mapped([...members.values()], (member) => ({
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
