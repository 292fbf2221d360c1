import { CLUSTER_NAME } from '../../../broker/access/acl.ts';
import { listPartitionReassignments } from '../../../wire/kafka/messages/replicas.ts';
import { codesOf, fault } from '../fault.ts';
import type { ApiHandler } from '../handler.ts';

/** KIP-455: there never is a reassignment in progress. */
export const listPartitionReassignmentsHandler: ApiHandler<typeof listPartitionReassignments> = {
  api: listPartitionReassignments,
  minVersion: 0,
  maxVersion: 0,
  home: 'controller',
  handle(_request, context) {
    const mayAsk = context.isAllowed('describe', 'cluster', CLUSTER_NAME);
    const wrong = mayAsk ? null : fault('CLUSTER_AUTHORIZATION_FAILED');
    return { throttleTimeMs: 0, ...codesOf(wrong), topics: [] };
  },
};
