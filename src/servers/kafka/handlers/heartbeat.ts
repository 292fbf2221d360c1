import { ERROR_CODES } from '../../../wire/kafka/error-codes.ts';
import { heartbeat } from '../../../wire/kafka/messages/group-membership.ts';
import { groupErrorCode } from '../groups/group-errors.ts';
import type { ApiHandler } from '../handler.ts';

export const heartbeatHandler: ApiHandler<typeof heartbeat> = {
  api: heartbeat,
  minVersion: 0,
  maxVersion: 4,
  home: 'controller',
  handle({ groupId, generationId, memberId, groupInstanceId }, context) {
    if (!context.isAllowed('read', 'group', groupId)) {
      return { throttleTimeMs: 0, errorCode: ERROR_CODES.GROUP_AUTHORIZATION_FAILED };
    }
    const error = context.broker.groups.heartbeat(context.client.vhost, groupId, {
      memberId,
      instanceId: groupInstanceId,
      generation: generationId,
    });
    return { throttleTimeMs: 0, errorCode: groupErrorCode(error) };
  },
};
