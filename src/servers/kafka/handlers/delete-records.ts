import { mapped, mappedBy } from '../../../base/turn-time.ts';
import { ERROR_CODES, type ErrorName } from '../../../wire/kafka/error-codes.ts';
import { deleteRecords } from '../../../wire/kafka/messages/offsets.ts';
import { durable } from '../durably.ts';
import type { ApiHandler } from '../handler.ts';
import { ledPartition, topicByName } from '../topics/topics.ts';
import type { RequestContext } from './request-context.ts';

const HIGH_WATERMARK = -1;

/** KIP-107: moves the log start offset of partitions up. */
export const deleteRecordsHandler: ApiHandler<typeof deleteRecords> = {
  api: deleteRecords,
  minVersion: 0,
  maxVersion: 2,
  *handle({ topics }, context) {
    const results = yield* mappedBy(topics, function* ofTopic({ name, partitions }) {
      const ofPartitions = yield* mapped(partitions, ({ partitionIndex, offset }) => ({
        partitionIndex,
        ...remove(context, name, partitionIndex, offset),
      }));
      return { name, partitions: ofPartitions };
    });
    yield durable(context.broker);
    return { throttleTimeMs: 0, topics: results };
  },
};

function remove(context: RequestContext, topic: string, index: number, offset: number) {
  const stream = topicByName(context, topic);
  if (!context.isAllowed('delete', 'topic', topic)) return failed('TOPIC_AUTHORIZATION_FAILED');
  const partition = ledPartition(stream, index);
  if (typeof partition === 'string') return failed(partition);
  // A topic with cleanup.policy=compact alone holds the last value of each key, however old: Kafka refuses it, too.
  if (!partition.stream.settings.deletes) return failed('POLICY_VIOLATION');
  const before = offset === HIGH_WATERMARK ? partition.highWatermark : offset;
  if (before < 0 || before > partition.highWatermark) return failed('OFFSET_OUT_OF_RANGE');
  if (before > partition.startOffset) partition.deleteBefore(before);
  return { lowWatermark: partition.startOffset, errorCode: ERROR_CODES.NONE };
}

function failed(error: ErrorName) {
  return { lowWatermark: -1, errorCode: ERROR_CODES[error] };
}
