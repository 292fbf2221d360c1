import { mapped } from '../../../base/turn-time.ts';
import { ERROR_CODES } from '../../../wire/kafka/error-codes.ts';
import { deleteGroups } from '../../../wire/kafka/messages/group-admin.ts';
import { groupErrorCode, groupErrorOf } from '../groups/group-errors.ts';
import type { ApiHandler } from '../handler.ts';
import type { RequestContext } from './request-context.ts';

export const deleteGroupsHandler: ApiHandler<typeof deleteGroups> = {
  api: deleteGroups,
  minVersion: 0,
  maxVersion: 2,
  home: 'controller',
  *handle({ groupsNames }, context) {
    const results = yield* mapped(groupsNames, (groupId) => ({
      groupId,
      errorCode: remove(groupId, context),
    }));
    // Other shards forget what they have of share groups.
    if (!context.broker.isMetadataSafe) yield context.broker.metadataIsSafe();
    return { throttleTimeMs: 0, results };
  },
};

function remove(groupId: string, context: RequestContext): number {
  if (!context.isAllowed('delete', 'group', groupId)) return ERROR_CODES.GROUP_AUTHORIZATION_FAILED;
  if (groupId === '') return ERROR_CODES.INVALID_GROUP_ID;
  const { vhost } = context.client;
  const { groups } = context.broker;
  try {
    const others = groups.others.find((each) => each.has(vhost, groupId)) ?? groups;
    others.delete(vhost, groupId);
    return ERROR_CODES.NONE;
  } catch (error) {
    return groupErrorCode(groupErrorOf(error).kind);
  }
}
