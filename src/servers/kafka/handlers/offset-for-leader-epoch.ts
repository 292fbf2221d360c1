import { mapped, mappedBy } from '../../../base/turn-time.ts';
import type { ResponseInput } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES, type ErrorName } from '../../../wire/kafka/error-codes.ts';
import { offsetForLeaderEpoch } from '../../../wire/kafka/messages/offsets.ts';
import { epochError } from '../fetch/readable-partition.ts';
import type { ApiHandler } from '../handler.ts';
import { ledPartition } from '../topics/topics.ts';
import type { RequestContext } from './request-context.ts';

type PartitionAnswer = ResponseInput<typeof offsetForLeaderEpoch>['topics'][number]['partitions'][number];

/** KIP-320: the end offset of a leader epoch, by which a client detects that the log was truncated. */
export const offsetForLeaderEpochHandler: ApiHandler<typeof offsetForLeaderEpoch> = {
  api: offsetForLeaderEpoch,
  minVersion: 2,
  maxVersion: 4,
  *handle({ topics }, context) {
    const answers = yield* mappedBy(topics, function* ofTopic({ topic, partitions }) {
      const results = yield* mapped(partitions, ({ partition, currentLeaderEpoch, leaderEpoch }) =>
        answer(context, topic, partition, currentLeaderEpoch, leaderEpoch),
      );
      return { topic, partitions: results };
    });
    return { throttleTimeMs: 0, topics: answers };
  },
};

function answer(
  context: RequestContext,
  topic: string,
  index: number,
  currentLeaderEpoch: number,
  leaderEpoch: number,
): PartitionAnswer {
  if (!context.isAllowed('describe', 'topic', topic)) return failed(index, 'TOPIC_AUTHORIZATION_FAILED');
  const stream = context.broker.streams.get(context.client.vhost, topic);
  const partition = ledPartition(stream, index);
  if (typeof partition === 'string') return failed(index, partition);
  const error = epochError(partition, currentLeaderEpoch);
  if (error !== null) return failed(index, error);
  const known = partition.epochs.endOf(leaderEpoch, partition.leaderEpoch, partition.endOffset);
  return {
    errorCode: ERROR_CODES.NONE,
    partition: index,
    leaderEpoch: known?.epoch ?? -1,
    endOffset: known?.endOffset ?? -1,
  };
}

function failed(partition: number, error: ErrorName): PartitionAnswer {
  return { errorCode: ERROR_CODES[error], partition, leaderEpoch: -1, endOffset: -1 };
}
