import type { Partition } from '../../../broker/streams/partition.ts';
import type { ResponseInput } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES, type ErrorName } from '../../../wire/kafka/error-codes.ts';
import { describeProducers } from '../../../wire/kafka/messages/transaction-admin.ts';
import type { ApiHandler } from '../handler.ts';
import type { RequestContext } from './request-context.ts';

type PartitionResponse = ResponseInput<typeof describeProducers>['topics'][number]['partitions'][number];

/** KIP-664: the idempotent and transactional producers with state in a partition. */
export const describeProducersHandler: ApiHandler<typeof describeProducers> = {
  api: describeProducers,
  minVersion: 0,
  maxVersion: 0,
  handle({ topics }, context) {
    return {
      throttleTimeMs: 0,
      topics: topics.map(({ name, partitionIndexes }) => ({
        name,
        partitions: partitionIndexes.map((index) => answer(context, name, index)),
      })),
    };
  },
};

function answer(context: RequestContext, topic: string, index: number): PartitionResponse {
  if (!context.isAllowed('read', 'topic', topic)) return failed(index, 'TOPIC_AUTHORIZATION_FAILED');
  const partition = context.broker.streams.get(context.client.vhost, topic)?.partitions[index];
  if (partition === undefined) return failed(index, 'UNKNOWN_TOPIC_OR_PARTITION');
  return { partitionIndex: index, errorCode: ERROR_CODES.NONE, activeProducers: producersOf(partition) };
}

function producersOf({ producers }: Partition): PartitionResponse['activeProducers'] {
  return Array.from(producers, (producer) => ({
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
