import { ERROR_CODES } from '../../../wire/kafka/error-codes.ts';
import { deleteGroups } from '../../../wire/kafka/messages/group-admin.ts';
import { groupErrorCode, groupErrorOf } from '../groups/group-errors.ts';
import { whenDurable } from '../groups/when-durable.ts';
import type { ApiHandler, Call } from '../handler.ts';

export const deleteGroupsHandler: ApiHandler<typeof deleteGroups> = {
  api: deleteGroups,
  minVersion: 0,
  maxVersion: 2,
  handle({ groupsNames }, call) {
    const results = groupsNames.map((groupId) => ({ groupId, errorCode: remove(groupId, call) }));
    const { broker } = call.server;
    return whenDurable(broker, broker.metadataBlock, { throttleTimeMs: 0, results });
  },
};

function remove(groupId: string, call: Call): number {
  if (!call.isAllowed('delete', 'group', groupId)) return ERROR_CODES.GROUP_AUTHORIZATION_FAILED;
  if (groupId === '') return ERROR_CODES.INVALID_GROUP_ID;
  const { vhost } = call.connection;
  const { groups } = call.server.broker;
  try {
    const others = groups.others.find((each) => each.has(vhost, groupId)) ?? groups;
    others.delete(vhost, groupId);
    return ERROR_CODES.NONE;
  } catch (error) {
    return groupErrorCode(groupErrorOf(error).kind);
  }
}
