import type { ObjectAccount } from '../budget/object-account.ts';
import type { AnyPartition } from '../streams/any-partition.ts';

/**
 * Where a transactional id stands. There is no state in between, as there is where an end has to be carried from server
 * to server: that a transaction is over, its ends in all partitions and the offsets of its groups are one block of the
 * journal. For partitions of other shards, that their ends are on the way is in this block.
 */
export type TransactionState = 'empty' | 'ongoing' | 'committed' | 'aborted';

/** What the owner of a transactional id numbers its records with. */
export interface ProducerIdentity {
  readonly producerId: number;
  readonly epoch: number;
}

/** The end of a transaction in one other shard: `end` is the id behind it in the outbox for that shard. */
export interface SentMarkers {
  readonly shard: number;
  readonly end: number;
}

export const NO_MARKERS: readonly SentMarkers[] = [];

/** Epochs are 16 bits with a sign; the last one is left for the end of the last transaction. */
const EPOCH_MAX = 0x7fff;

export const NOBODY: ProducerIdentity = { producerId: -1, epoch: -1 };

export function isSame(one: ProducerIdentity, other: ProducerIdentity): boolean {
  return one.producerId === other.producerId && one.epoch === other.epoch;
}

/** The one that takes its place: with the next epoch, or when these are used up, with another id. */
export function successorOf({ producerId, epoch }: ProducerIdentity, newId: () => number): ProducerIdentity {
  return epoch + 1 < EPOCH_MAX ? { producerId, epoch: epoch + 1 } : { producerId: newId(), epoch: 0 };
}

/** A transactional id (KIP-98): who has it, and the transaction that is open under it. */
export class TransactionalProducer {
  readonly vhost: string;
  /** Chosen by the clients. */
  readonly id: string;
  /** Of the user who began with the id; null if that is not known. */
  readonly account: ObjectAccount | null;
  identity: ProducerIdentity = NOBODY;
  /**
   * What the present owner had before, if it is the same one: it may not know yet that it has got another, as the
   * answer that told it so was lost.
   */
  previous: ProducerIdentity = NOBODY;
  timeoutMs: number;
  state: TransactionState = 'empty';
  /** When the open transaction began; -1 if there is none. Milliseconds since the epoch, as the next one. */
  startMs = -1;
  /** When something changed last. */
  updatedMs: number;
  readonly partitions = new Set<AnyPartition>();
  readonly groups = new Set<string>();
  /** The block with the last partitions and groups that were journaled. */
  grownBlock = 0;
  /** Of the last transaction, in other shards, until all of them are durable there: the next one does not begin before. */
  markers: readonly SentMarkers[] = NO_MARKERS;

  constructor(
    vhost: string,
    id: string,
    timeoutMs: number,
    nowMs: number,
    account: ObjectAccount | null = null,
  ) {
    this.vhost = vhost;
    this.id = id;
    this.account = account;
    this.timeoutMs = timeoutMs;
    this.updatedMs = nowMs;
  }

  get isOngoing(): boolean {
    return this.state === 'ongoing';
  }

  /** The last transaction is over, and other shards may not know it yet. */
  get isSettling(): boolean {
    return this.markers.length > 0;
  }

  /** When the open transaction is aborted, if it is still open; Infinity if there is none. */
  get dueMs(): number {
    return this.isOngoing ? this.startMs + this.timeoutMs : Number.POSITIVE_INFINITY;
  }

  begin(nowMs: number): void {
    this.state = 'ongoing';
    this.startMs = nowMs;
    this.updatedMs = nowMs;
  }

  /** There is no transaction any more, or not yet. */
  rest(state: TransactionState, nowMs: number): void {
    this.state = state;
    this.startMs = -1;
    this.updatedMs = nowMs;
    this.partitions.clear();
    this.groups.clear();
  }
}
