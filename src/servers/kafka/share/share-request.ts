import type { ErrorName } from '../../../wire/kafka/error-codes.ts';
import type { Call } from '../handler.ts';
import type { ShareSession } from './share-sessions.ts';

/** The session of a request of a member, or why there is none. */
export function sessionFor(
  request: {
    readonly groupId: string | null;
    readonly memberId: string | null;
    readonly shareSessionEpoch: number;
  },
  call: Call,
): ShareSession | ErrorName {
  const { groupId, memberId, shareSessionEpoch } = request;
  if (groupId === null || groupId === '' || memberId === null || memberId === '') return 'INVALID_REQUEST';
  if (!call.isAllowed('read', 'group', groupId)) return 'GROUP_AUTHORIZATION_FAILED';
  const { connection, server } = call;
  const group = server.broker.shareGroups.find(connection.vhost, groupId);
  if (group === undefined) return 'GROUP_ID_NOT_FOUND';
  return server.shareSessions.at(shareSessionEpoch, group, memberId, connection);
}
