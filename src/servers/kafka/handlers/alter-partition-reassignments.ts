import { mapped, mappedBy } from '../../../base/turn-time.ts';
import { CLUSTER_NAME } from '../../../broker/access/acl.ts';
import { alterPartitionReassignments } from '../../../wire/kafka/messages/replicas.ts';
import { codesOf, type Fault, fault } from '../fault.ts';
import type { ApiHandler } from '../handler.ts';
import { wrongReplicas } from '../topics/topic-plan.ts';
import { topicByName } from '../topics/topics.ts';
import type { RequestContext } from './request-context.ts';

/** KIP-455. A partition has one replica, on this broker: a reassignment to it is done already, any other is refused. */
export const alterPartitionReassignmentsHandler: ApiHandler<typeof alterPartitionReassignments> = {
  api: alterPartitionReassignments,
  minVersion: 0,
  maxVersion: 1,
  *handle({ topics, allowReplicationFactorChange }, context) {
    if (!context.isAllowed('alter', 'cluster', CLUSTER_NAME)) {
      return { throttleTimeMs: 0, ...codesOf(fault('CLUSTER_AUTHORIZATION_FAILED')), responses: [] };
    }
    return {
      throttleTimeMs: 0,
      allowReplicationFactorChange,
      ...codesOf(null),
      responses: yield* mappedBy(topics, function* ofTopic({ name, partitions }) {
        const results = yield* mapped(partitions, ({ partitionIndex, replicas }) => ({
          partitionIndex,
          ...codesOf(whyNot(context, name, partitionIndex, replicas)),
        }));
        return { name, partitions: results };
      }),
    };
  },
};

function whyNot(
  context: RequestContext,
  topic: string,
  index: number,
  replicas: readonly number[] | null,
): Fault | null {
  if (topicByName(context, topic)?.partitions[index] === undefined)
    return fault('UNKNOWN_TOPIC_OR_PARTITION');
  if (replicas === null) {
    return fault('NO_REASSIGNMENT_IN_PROGRESS', 'No partition reassignment is in progress.');
  }
  return wrongReplicas(replicas);
}
