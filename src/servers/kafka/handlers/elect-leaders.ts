import { mapped, mappedBy } from '../../../base/turn-time.ts';
import { CLUSTER_NAME } from '../../../broker/access/acl.ts';
import { ERROR_CODES } from '../../../wire/kafka/error-codes.ts';
import { electLeaders } from '../../../wire/kafka/messages/replicas.ts';
import { codesOf, fault } from '../fault.ts';
import type { ApiHandler } from '../handler.ts';
import { topicByName } from '../topics/topics.ts';
import type { RequestContext } from './request-context.ts';

/** KIP-460. The one replica leads already: no partition needs an election. */
export const electLeadersHandler: ApiHandler<typeof electLeaders> = {
  api: electLeaders,
  minVersion: 0,
  maxVersion: 2,
  home: 'controller',
  *handle({ topicPartitions }, context) {
    if (!context.isAllowed('alter', 'cluster', CLUSTER_NAME)) {
      const refused = codesOf(fault('CLUSTER_AUTHORIZATION_FAILED'));
      return {
        throttleTimeMs: 0,
        errorCode: refused.errorCode,
        // Version 0 has no error code of the request as a whole.
        replicaElectionResults: yield* mappedBy(
          topicPartitions ?? [],
          function* ofTopic({ topic, partitions }) {
            const partitionResult = yield* mapped(partitions, (partitionId) => ({ partitionId, ...refused }));
            return { topic, partitionResult };
          },
        ),
      };
    }
    return {
      throttleTimeMs: 0,
      errorCode: ERROR_CODES.NONE,
      // Asked for all partitions (null), Kafka leaves out those that need no election.
      replicaElectionResults: yield* mappedBy(
        topicPartitions ?? [],
        function* ofTopic({ topic, partitions }) {
          const partitionResult = yield* mapped(partitions, (partitionId) => ({
            partitionId,
            ...elect(context, topic, partitionId),
          }));
          return { topic, partitionResult };
        },
      ),
    };
  },
};

function elect(context: RequestContext, topic: string, index: number) {
  const stream = topicByName(context, topic);
  if (stream === undefined) return codesOf(fault('UNKNOWN_TOPIC_OR_PARTITION', `No such topic as ${topic}`));
  if (stream.partitions[index] === undefined) {
    return codesOf(fault('UNKNOWN_TOPIC_OR_PARTITION', `No such partition as ${topic}-${index}`));
  }
  return codesOf(fault('ELECTION_NOT_NEEDED', 'Leader election not needed for topic partition.'));
}
