import { mapped, mappedBy } from '../../../base/turn-time.ts';
import { CLUSTER_NAME } from '../../../broker/access/acl.ts';
import { alterPartitionReassignments } from '../../../wire/kafka/messages/replicas.ts';
import { codesOf, type Fault, fault } from '../fault.ts';
import type { ApiHandler } from '../handler.ts';
import { nodeIdOf } from '../node-id.ts';
import { wrongReplicas } from '../topics/topic-plan.ts';
import { topicByName } from '../topics/topics.ts';
import type { RequestContext } from './request-context.ts';

/** KIP-455. A partition has one replica, and does not move: a reassignment to its broker is done already, any other is refused. */
export const alterPartitionReassignmentsHandler: ApiHandler<typeof alterPartitionReassignments> = {
  api: alterPartitionReassignments,
  minVersion: 0,
  maxVersion: 1,
  home: 'controller',
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
  const partition = topicByName(context, topic)?.partitions[index];
  if (partition === undefined) return fault('UNKNOWN_TOPIC_OR_PARTITION');
  if (replicas === null) {
    return fault('NO_REASSIGNMENT_IN_PROGRESS', 'No partition reassignment is in progress.');
  }
  const wrong = wrongReplicas(replicas, context.brokerCount);
  if (wrong !== null || replicas[0] === nodeIdOf(partition.shard)) return wrong;
  return fault(
    'INVALID_REPLICA_ASSIGNMENT',
    `Partitions do not move: ${topic}-${index} stays on broker ${nodeIdOf(partition.shard)}.`,
  );
}
