import { MARKER_BATCH_BYTES, transactionEndBatch } from '../../records/transaction-marker.ts';
import { COMPLETE_BYTES, type TransactionalOffsets } from '../groups/transactional-offsets.ts';
import { AtomicAppend, batchBytesMax, operationBytes } from '../publishing/atomic-append.ts';
import type { Shard } from '../shard/shard.ts';
import type { Partition } from '../streams/partition.ts';
import type { ProducerIdentity, TransactionalProducer } from './transactional-producer.ts';

export interface TransactionEndDeps {
  readonly shard: Shard;
  readonly offsets: Pick<TransactionalOffsets, 'complete'>;
}

export interface TransactionEnd {
  readonly producer: TransactionalProducer;
  readonly isCommit: boolean;
  /** The change of the producer's state. */
  readonly operation: Uint8Array;
  /** Of the control records: partitions refuse batches with an older one. */
  readonly epoch: number;
  readonly nowMs: number;
}

/**
 * Ends a transaction in one block of the journal: the control records in each of its partitions (KIP-98), the offsets of
 * its groups, and the state of the producer. After a crash all of that has happened, or nothing; so no end has to be
 * completed after a restart.
 */
export function endTransaction(
  { shard, offsets }: TransactionEndDeps,
  { producer, isCommit, operation, epoch, nowMs }: TransactionEnd,
): void {
  const { producerId } = producer.identity;
  // Where nothing was written, there is nothing to end.
  const partitions = [...producer.partitions].filter(
    ({ stream, producers }) => !stream.isRemoved && producers.isInTransaction(producerId),
  );
  const batch = endBatch({ producerId, epoch }, isCommit, nowMs);
  const atomic = new AtomicAppend(shard);
  atomic.begin(
    partitions.length * batchBytesMax(MARKER_BATCH_BYTES) + COMPLETE_BYTES + operationBytes(operation.length),
  );
  for (const partition of partitions) partition.append(batch, 0, batch.length);
  offsets.complete(producerId, isCommit);
  atomic.record(operation);
  atomic.end();
}

/**
 * Ends a transaction in one partition alone, as an administrator may wish if it does not end otherwise (KIP-664); what
 * it has in other partitions stays as it is. `stale-epoch`: the partition knows a successor of this producer.
 */
export function endInPartition(
  partition: Partition,
  identity: ProducerIdentity,
  isCommit: boolean,
  nowMs: number,
): 'done' | 'stale-epoch' {
  const producer = partition.producers.get(identity.producerId);
  if (producer === undefined || producer.transactionStart < 0) return 'done';
  if (identity.epoch < producer.epoch) return 'stale-epoch';
  const batch = endBatch(identity, isCommit, nowMs);
  partition.append(batch, 0, batch.length);
  return 'done';
}

function endBatch({ producerId, epoch }: ProducerIdentity, isCommit: boolean, nowMs: number): Buffer {
  return transactionEndBatch({
    timestampMs: Math.floor(nowMs),
    producerId,
    producerEpoch: epoch,
    isCommit,
    coordinatorEpoch: 0,
  });
}
