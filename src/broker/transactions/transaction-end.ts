import { MARKER_BATCH_BYTES, transactionEndBatch } from '../../records/transaction-marker.ts';
import { COMPLETE_BYTES, type TransactionalOffsets } from '../groups/transactional-offsets.ts';
import { AtomicAppend, batchBytesMax, operationBytes, outboxesOf } from '../publishing/atomic-append.ts';
import type { Shard } from '../shard/shard.ts';
import type { AnyPartition } from '../streams/any-partition.ts';
import type { Partition } from '../streams/partition.ts';
import type { ProducerIdentity, SentMarkers, TransactionalProducer } from './transactional-producer.ts';

export interface TransactionEndDeps {
  readonly shard: Shard;
  readonly offsets: Pick<TransactionalOffsets, 'complete'>;
}

/** The partitions of a transaction in one other shard, by the ids of their logs. */
export interface PartitionsElsewhere {
  readonly shard: number;
  readonly logIds: number[];
}

export interface TransactionEnd {
  readonly producer: TransactionalProducer;
  readonly isCommit: boolean;
  /** The change of the producer's state. */
  readonly operation: Uint8Array;
  /** Of the control records: partitions refuse batches with an older one. */
  readonly epoch: number;
  readonly nowMs: number;
  /** In their outboxes there has to be room. */
  readonly elsewhere: readonly PartitionsElsewhere[];
}

export function partitionsElsewhere(partitions: Iterable<AnyPartition>): readonly PartitionsElsewhere[] {
  const byShard = new Map<number, PartitionsElsewhere>();
  for (const { isRemote, stream, shard, id } of partitions) {
    if (!isRemote || stream.isRemoved) continue;
    const there = byShard.get(shard) ?? { shard, logIds: [] };
    byShard.set(shard, there);
    there.logIds.push(id);
  }
  return [...byShard.values()];
}

/** Whether the ends in all these shards have room in the outboxes, until something else happens. */
export function reserveEnds(shard: Shard, elsewhere: readonly PartitionsElsewhere[]): boolean {
  if (elsewhere.length === 0) return true;
  const outboxes = outboxesOf(shard);
  outboxes.beginReserving();
  return elsewhere.every(({ shard: to, logIds }) =>
    outboxes.reserveAll(to, 1, outboxes.markersBytesMax(logIds.length)),
  );
}

/** Where the ends will be in the outboxes: one entry in each. */
export function placesInOutboxes(shard: Shard, elsewhere: readonly PartitionsElsewhere[]): SentMarkers[] {
  return elsewhere.map(({ shard: to }) => ({ shard: to, end: outboxesOf(shard).to(to).log.end + 1 }));
}

/**
 * Ends a transaction in one block of the journal: the control records in each of its partitions (KIP-98), those for
 * partitions of other shards on their way there, the offsets of its groups, and the state of the producer. After a crash all
 * of that has happened, or nothing; so no end has to be completed after a restart.
 */
export function endTransaction(
  { shard, offsets }: TransactionEndDeps,
  { producer, isCommit, operation, epoch, nowMs, elsewhere }: TransactionEnd,
): void {
  const { producerId } = producer.identity;
  // Where nothing was written, there is nothing to end.
  const partitions = [...producer.partitions].filter(
    (each): each is Partition =>
      !each.isRemote && !each.stream.isRemoved && each.producers.isInTransaction(producerId),
  );
  const batch = endBatch({ producerId, epoch }, isCommit, nowMs);
  const atomic = new AtomicAppend(shard);
  let bytes = COMPLETE_BYTES + operationBytes(operation.length) + endsBytesMax(partitions.length);
  for (const { logIds } of elsewhere) bytes += outboxesOf(shard).markersBytesMax(logIds.length);
  atomic.begin(bytes);
  for (const partition of partitions) partition.append(batch, 0, batch.length);
  for (const { shard: to, logIds } of elsewhere)
    atomic.sendMarkers(to, { logIds, producerId, epoch, isCommit }, nowMs);
  offsets.complete(producerId, isCommit);
  atomic.record(operation);
  atomic.end();
}

/** What the ends in so many partitions take of the journal at most. */
export function endsBytesMax(partitions: number): number {
  return partitions * batchBytesMax(MARKER_BATCH_BYTES);
}

/**
 * Ends a transaction in one partition alone: as its coordinator in another shard says, or as an administrator may wish if it does
 * not end otherwise (KIP-664); what it has in other partitions stays as it is. `stale-epoch`: the partition knows a successor of this
 * producer.
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
