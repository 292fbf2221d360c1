import { mapped, mappedBy } from '../../../base/turn-time.ts';
import { CLUSTER_NAME } from '../../../broker/access/acl.ts';
import { endInPartition } from '../../../broker/transactions/transaction-end.ts';
import type { ProducerIdentity } from '../../../broker/transactions/transactional-producer.ts';
import type { RequestOf } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES } from '../../../wire/kafka/error-codes.ts';
import { writeTxnMarkers } from '../../../wire/kafka/messages/transactions.ts';
import { durable } from '../durably.ts';
import type { ApiHandler } from '../handler.ts';
import { ledPartition } from '../topics/topics.ts';
import type { RequestContext } from './request-context.ts';

type Marker = RequestOf<typeof writeTxnMarkers>['markers'][number];

/**
 * Commit and abort markers from outside: `kafka-transactions.sh abort` ends a hanging transaction with it (KIP-664). EndTxn
 * does not use it: all markers of a transaction are in one block of the journal.
 */
export const writeTxnMarkersHandler: ApiHandler<typeof writeTxnMarkers> = {
  api: writeTxnMarkers,
  minVersion: 1,
  maxVersion: 2,
  *handle(request, context) {
    const mayWrite =
      context.isAllowed('cluster-action', 'cluster', CLUSTER_NAME) ||
      context.isAllowed('alter', 'cluster', CLUSTER_NAME);
    const markers = yield* mappedBy(request.markers, function* ofProducer(marker) {
      const topics = yield* mappedBy(marker.topics, function* ofTopic({ name, partitionIndexes }) {
        const partitions = yield* mapped(partitionIndexes, (partitionIndex) => ({
          partitionIndex,
          errorCode: mayWrite
            ? write(context, marker, name, partitionIndex)
            : ERROR_CODES.CLUSTER_AUTHORIZATION_FAILED,
        }));
        return { name, partitions };
      });
      return { producerId: marker.producerId, topics };
    });
    yield durable(context.broker);
    return { markers };
  },
};

function write({ client, broker }: RequestContext, marker: Marker, topic: string, index: number): number {
  const partition = ledPartition(broker.streams.get(client.vhost, topic), index);
  if (typeof partition === 'string') return ERROR_CODES[partition];
  const identity: ProducerIdentity = { producerId: marker.producerId, epoch: marker.producerEpoch };
  const outcome = endInPartition(partition, identity, marker.transactionResult, broker.shard.clock.now());
  return outcome === 'stale-epoch' ? ERROR_CODES.INVALID_PRODUCER_EPOCH : ERROR_CODES.NONE;
}
