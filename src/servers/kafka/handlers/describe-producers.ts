import { mapped, mappedBy, type Work } from '../../../base/turn-time.ts';
import { distinct } from '../../../base/work-collections.ts';
import type { Partition } from '../../../broker/streams/partition.ts';
import type { ResponseInput } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES, type ErrorName } from '../../../wire/kafka/error-codes.ts';
import { describeProducers } from '../../../wire/kafka/messages/transaction-admin.ts';
import type { ApiHandler } from '../handler.ts';
import { ledPartition } from '../topics/topics.ts';
import type { RequestContext } from './request-context.ts';

type PartitionResponse = ResponseInput<typeof describeProducers>['topics'][number]['partitions'][number];

/** KIP-664: the idempotent and transactional producers with state in a partition. */
export const describeProducersHandler: ApiHandler<typeof describeProducers> = {
  api: describeProducers,
  minVersion: 0,
  maxVersion: 0,
  *handle({ topics }, context) {
    const answers = yield* mappedBy(topics, function* ofTopic({ name, partitionIndexes }) {
      const indexes = yield* distinct(partitionIndexes);
      return { name, partitions: yield* mappedBy(indexes, (index) => answer(context, name, index)) };
    });
    return { throttleTimeMs: 0, topics: answers };
  },
};

function* answer(context: RequestContext, topic: string, index: number): Work<PartitionResponse> {
  if (!context.isAllowed('read', 'topic', topic)) return failed(index, 'TOPIC_AUTHORIZATION_FAILED');
  const partition = ledPartition(context.broker.streams.get(context.client.vhost, topic), index);
  if (typeof partition === 'string') return failed(index, partition);
  return {
    partitionIndex: index,
    errorCode: ERROR_CODES.NONE,
    activeProducers: yield* producersOf(partition),
  };
}

function producersOf({ producers }: Partition): Work<PartitionResponse['activeProducers'][number][]> {
  return mapped([...producers], (producer) => ({
    producerId: producer.id,
    producerEpoch: producer.epoch,
    lastSequence: producer.lastSequence,
    lastTimestamp: producer.lastTimestampMs,
    coordinatorEpoch: producer.coordinatorEpoch,
    currentTxnStartOffset: producer.transactionStart,
  }));
}

function failed(partitionIndex: number, error: ErrorName): PartitionResponse {
  return { partitionIndex, errorCode: ERROR_CODES[error], activeProducers: [] };
}
