import { align8, batchEntryBytes } from '../../log/journal/format.ts';
import type { Store } from '../../log/store.ts';
import { END_BATCH_BYTES, transactionEndBatch } from '../../records/producer-fields.ts';
import { COMPLETE_BYTES, type TransactionalOffsets } from '../groups/transactional-offsets.ts';
import type { Partition } from '../streams/partition.ts';
import type { ProducerIdentity, TransactionalProducer } from './transactional-producer.ts';

/** What of the broker takes part in the end of a transaction. */
export interface TransactionEndDeps {
  readonly store: Store;
  readonly offsets: Pick<TransactionalOffsets, 'complete'>;
  record(operation: Uint8Array): void;
}

export interface TransactionEnd {
  readonly producer: TransactionalProducer;
  readonly isCommit: boolean;
  /** What is said of the producer from now on: an operation. */
  readonly operation: Uint8Array;
  /** Its last breath, or the first of its successor: partitions refuse what comes with an older epoch. */
  readonly epoch: number;
  readonly nowMs: number;
}

const METADATA_ENTRY_BYTES = 16;

/**
 * Ends a transaction in one block of the journal: the records that say so in each of its partitions, the offsets of its
 * groups, and what becomes of the producer. After a crash all of that has happened, or nothing; so there is nothing
 * that would have to be carried on.
 */
export function endTransaction(
  { store, offsets, record }: TransactionEndDeps,
  { producer, isCommit, operation, epoch, nowMs }: TransactionEnd,
): void {
  const { producerId } = producer.identity;
  // Where nothing was written, there is nothing to end.
  const partitions = [...producer.partitions].filter(
    ({ stream, producers }) => !stream.isRemoved && producers.isInTransaction(producerId),
  );
  const batch = endBatch({ producerId, epoch }, isCommit, nowMs);
  const { journal } = store;
  journal.beginAtomic(
    partitions.length * batchEntryBytes(END_BATCH_BYTES) +
      COMPLETE_BYTES +
      METADATA_ENTRY_BYTES +
      align8(operation.length),
  );
  for (const partition of partitions) partition.append(batch, 0, batch.length);
  offsets.complete(producerId, isCommit);
  record(operation);
  journal.endAtomic();
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
