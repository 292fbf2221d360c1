import type { ErrorName } from '../../../wire/kafka/error-codes.ts';
import type { RequestContext } from '../handlers/request-context.ts';
import type { ShareSession } from './share-sessions.ts';

/**
 * What a member's last session had acquired may still be released: resolves when it is, so that nothing of the next
 * session is released with it.
 */
export function releaseOf(
  { groupId, memberId }: { readonly groupId: string | null; readonly memberId: string | null },
  { broker, client }: RequestContext,
): Promise<void> | null {
  const group = broker.shareGroups.find(client.vhost, groupId ?? '');
  return group?.released(memberId ?? '') ?? null;
}

/** The share session of a ShareFetch or ShareAcknowledge request, or the error to respond with. */
export function sessionFor(
  request: {
    readonly groupId: string | null;
    readonly memberId: string | null;
    readonly shareSessionEpoch: number;
  },
  context: RequestContext,
): ShareSession | ErrorName {
  const { groupId, memberId, shareSessionEpoch } = request;
  if (groupId === null || groupId === '' || memberId === null || memberId === '') return 'INVALID_REQUEST';
  if (!context.isAllowed('read', 'group', groupId)) return 'GROUP_AUTHORIZATION_FAILED';
  const { client, broker } = context;
  const group = broker.shareGroups.find(client.vhost, groupId);
  if (group === undefined) return 'GROUP_ID_NOT_FOUND';
  return context.shareSessions.at(shareSessionEpoch, group, memberId, client);
}
