import type { RequestContext } from '../handlers/request-context.ts';

/** Why there is no group of this kind: none has the name, or one that is of another kind. Kafka's texts. */
export function missingGroup(
  kind: 'classic' | 'consumer' | 'share',
  groupId: string,
  { client, broker }: RequestContext,
): string {
  const isThere =
    broker.groups.find(client.vhost, groupId) !== undefined || broker.shareGroups.has(client.vhost, groupId);
  return isThere ? `Group ${groupId} is not a ${kind} group.` : `Group ${groupId} not found.`;
}
