import { mapped } from '../../../base/turn-time.ts';
import { distinct } from '../../../base/work-collections.ts';
import type { Assignment } from '../../../broker/groups/share/assignor.ts';
import type { ShareGroup } from '../../../broker/groups/share/share-group.ts';
import type { ResponseInput } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES, type ErrorName } from '../../../wire/kafka/error-codes.ts';
import { shareGroupDescribe } from '../../../wire/kafka/messages/share-groups.ts';
import { authorizedOperations } from '../groups/authorized-operations.ts';
import { missingGroup } from '../groups/missing-group.ts';
import type { ApiHandler } from '../handler.ts';
import type { RequestContext } from './request-context.ts';

type Group = ResponseInput<typeof shareGroupDescribe>['groups'][number];

const ASSIGNOR = 'simple';

export const shareGroupDescribeHandler: ApiHandler<typeof shareGroupDescribe> = {
  api: shareGroupDescribe,
  minVersion: 1,
  maxVersion: 1,
  home: 'controller',
  *handle({ groupIds, includeAuthorizedOperations }, context) {
    const groups = yield* mapped(yield* distinct(groupIds), (id) => {
      if (!context.isAllowed('describe', 'group', id)) return failed(id, 'GROUP_AUTHORIZATION_FAILED', null);
      const group = context.broker.shareGroups.find(context.client.vhost, id);
      if (group === undefined) return failed(id, 'GROUP_ID_NOT_FOUND', missingGroup('share', id, context));
      if (!mayKnowTopics(group, context)) {
        const text = 'The group has described topic(s) that the client is not authorized to describe.';
        return failed(id, 'TOPIC_AUTHORIZATION_FAILED', text);
      }
      return described(group, includeAuthorizedOperations, context);
    });
    return { throttleTimeMs: 0, groups };
  },
};

/** Whether the client may describe every topic that members subscribe to or are assigned. */
function mayKnowTopics({ members }: ShareGroup, context: RequestContext): boolean {
  const { streams } = context.broker;
  return Array.from(members.values()).every(({ subscribed, assignment }) => {
    const assigned = Array.from(assignment, ([topicId]) => streams.byId(topicId)?.name ?? '');
    const names = [...subscribed, ...assigned].filter((name) => name !== '');
    return names.every((name) => context.isAllowed('describe', 'topic', name));
  });
}

function described(group: ShareGroup, includeOperations: boolean, context: RequestContext): Group {
  return {
    errorCode: ERROR_CODES.NONE,
    groupId: group.id,
    groupState: group.state,
    groupEpoch: group.epoch,
    assignmentEpoch: group.assignmentEpoch,
    assignorName: ASSIGNOR,
    members: Array.from(group.members.values(), (member) => ({
      memberId: member.id,
      rackId: member.rackId,
      memberEpoch: member.epoch,
      clientId: member.clientId,
      clientHost: member.host,
      subscribedTopicNames: [...member.subscribed].sort(),
      assignment: { topicPartitions: named(member.assignment, context) },
    })),
    authorizedOperations: authorizedOperations(includeOperations, 'group', group.id, context),
  };
}

function named(
  assignment: Assignment,
  context: RequestContext,
): Group['members'][number]['assignment']['topicPartitions'] {
  return Array.from(assignment, ([topicId, partitions]) => ({
    topicId,
    topicName: context.broker.streams.byId(topicId)?.name ?? '',
    partitions,
  }));
}

function failed(groupId: string, error: ErrorName, errorMessage: string | null): Group {
  return {
    errorCode: ERROR_CODES[error],
    errorMessage,
    groupId,
    groupState: error === 'GROUP_ID_NOT_FOUND' ? 'Dead' : '',
    groupEpoch: 0,
    assignmentEpoch: 0,
    assignorName: '',
    members: [],
  };
}
