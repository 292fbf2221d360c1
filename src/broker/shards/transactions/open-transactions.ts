import type { ShardLink, ShardNote } from '../../doors/shard-link.ts';
import type { Shard } from '../../shard/shard.ts';
import { ownPartition } from '../../streams/any-partition.ts';
import type { Streams } from '../../streams/streams.ts';
import { endInPartition } from '../../transactions/transaction-end.ts';
import type { Transactions } from '../../transactions/transactions.ts';

/** A transaction that is open in a partition: the producer, the stream's id, the partition's index, where it begins, the producer's epoch there. */
type OpenTransaction = readonly [
  producerId: number,
  stream: string,
  index: number,
  start: number,
  epoch: number,
];

/**
 * Finds transactions that hang after a start, as a power cut has left more of one journal than of another: that cannot be with
 * `durability=sync`, or where all shards are restored from one copy.
 *
 *     shard k ── open {all that are open in its partitions} ──▶ shard 0: waits until its markers have arrived
 *             ◀── unknown {those it knows nothing of} ────────── at once, in order with what it verifies
 */
export class OpenTransactions {
  readonly #shard: Shard;
  readonly #streams: Streams;

  constructor(shard: Shard, streams: Streams) {
    this.#shard = shard;
    this.#streams = streams;
  }

  /** In a shard that has begun. */
  tell(coordinator: ShardLink): void {
    const open = this.#all();
    if (open.length > 0) coordinator.tell({ op: 'transaction.open', open });
  }

  /** As what is asked and answered, at once: for whoever has all shards, while nothing is on its way between them. */
  abortUnknown(transactions: Transactions): void {
    this.#abort(unknownOf(this.#all(), transactions));
  }

  #all(): readonly OpenTransaction[] {
    const open: OpenTransaction[] = [];
    for (const { producers, stream, index } of this.#streams.partitions()) {
      for (const { id, transactionStart, epoch } of producers.ongoing())
        open.push([id, stream.id, index, transactionStart, epoch]);
    }
    return open;
  }

  /** In shard 0. What is open in none of its transactions has an end that is on its way, or nobody will end it. */
  told(link: ShardLink, note: ShardNote, transactions: Transactions): void {
    const unknown = unknownOf(openOf(note), transactions);
    if (unknown.length > 0) transactions.settling.whenAll(() => this.#arrived(link, unknown, transactions));
  }

  /** All ends that were on their way have arrived. Producers may have begun anew meanwhile, and ended that. */
  #arrived(link: ShardLink, open: readonly OpenTransaction[], transactions: Transactions): void {
    const ending = new Set<number>();
    for (const { isSettling, identity, previous } of transactions)
      if (isSettling) ending.add(identity.producerId).add(previous.producerId);
    const unknown = unknownOf(open, transactions);
    const ended = unknown.filter(([id]) => !ending.has(id));
    if (ended.length > 0) link.tell({ op: 'transaction.unknown', open: ended });
    const others = unknown.filter(([id]) => ending.has(id));
    if (others.length > 0) transactions.settling.whenAll(() => this.#arrived(link, others, transactions));
  }

  /** In the shard that has asked: nobody else would end them. */
  abort(note: ShardNote): void {
    this.#abort(openOf(note));
  }

  #abort(open: readonly OpenTransaction[]): void {
    for (const [producerId, streamId, index, start] of open) {
      const partition = ownPartition(this.#streams.byId(streamId)?.partitions[index]);
      const producer = partition?.producers.get(producerId);
      if (partition === undefined || producer?.transactionStart !== start) continue;
      this.#shard.log.warn(
        {
          stream: partition.stream.name,
          vhost: partition.stream.vhost,
          partition: index,
          producerId,
          offset: start,
        },
        'a transaction is aborted in a partition: shard 0 does not know of it, as after a power cut without durability',
      );
      endInPartition(partition, { producerId, epoch: producer.epoch }, false, this.#shard.clock.now());
    }
  }
}

/** Those that are in none of the open transactions. A partition with a later epoch than shard 0 remembers would refuse the end of that. */
function unknownOf(open: readonly OpenTransaction[], transactions: Transactions): readonly OpenTransaction[] {
  const known = new Map<string, number>();
  for (const { isOngoing, identity, partitions } of transactions) {
    if (!isOngoing) continue;
    for (const { stream, index } of partitions)
      known.set(keyOf(identity.producerId, stream.id, index), identity.epoch);
  }
  return open.filter(
    ([id, stream, index, , epoch]) => !((known.get(keyOf(id, stream, index)) ?? -1) >= epoch),
  );
}

function openOf(note: ShardNote): readonly OpenTransaction[] {
  return note.open as readonly unknown[] as readonly OpenTransaction[];
}

function keyOf(producerId: number, stream: string, index: number): string {
  return `${producerId} ${stream} ${index}`;
}
