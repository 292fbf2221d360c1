import type { ShardLink, ShardNote, ShardSeat } from '../../doors/shard-link.ts';
import type { RemoteMarkers } from '../../shard/outbox-port.ts';
import type { Shard } from '../../shard/shard.ts';
import type { Partition } from '../../streams/partition.ts';
import type { Streams } from '../../streams/streams.ts';
import { endInPartition, endsBytesMax } from '../../transactions/transaction-end.ts';
import type { Transactions } from '../../transactions/transactions.ts';
import { Verification } from '../../transactions/verification.ts';
import { number } from '../command-codec.ts';
import type { MarkerReceiver } from '../outbox/inbox.ts';
import { OpenTransactions } from './open-transactions.ts';
import { encodeVerification, kindsOf } from './verification-notes.ts';
import { VerificationService } from './verification-service.ts';

/** Transactions between shards: shard 0 coordinates all of them; the others ask it, and end in their partitions what it has ended. */
export class ShardedTransactions implements MarkerReceiver {
  /** In all shards but 0. */
  readonly verification: Verification | null;
  readonly #seat: ShardSeat;
  readonly #shard: Shard;
  readonly #findPartition: (logId: number) => Partition | undefined;
  #service: VerificationService | null = null;
  #transactions!: Transactions;
  #open!: OpenTransactions;

  constructor(seat: ShardSeat, shard: Shard, findPartition: (logId: number) => Partition | undefined) {
    this.#seat = seat;
    this.#shard = shard;
    this.#findPartition = findPartition;
    this.verification = seat.number === 0 ? null : this.#createVerification(seat.links[0] as ShardLink);
  }

  #createVerification(link: ShardLink): Verification {
    return new Verification((question, request) => link.tell(encodeVerification(question, request)));
  }

  begin(transactions: Transactions, streams: Streams): void {
    this.#transactions = transactions;
    this.#open = new OpenTransactions(this.#shard, streams);
    if (this.verification !== null) return;
    this.#service = new VerificationService(this.#seat, this.#shard, transactions, streams);
  }

  /** The journal is read. */
  recovered(): void {
    if (this.verification !== null && !this.#shard.isHeld) this.#open.tell(this.#seat.links[0] as ShardLink);
  }

  /** False if the note is about something else. Done at once: an end that comes after an answer takes effect after it. */
  told(from: number, note: ShardNote): boolean {
    switch (note.op) {
      case 'transaction.verify':
        this.#service?.asked(from, note);
        return true;
      case 'transaction.verified':
        this.verification?.answered(number(note, 'number'), kindsOf(note));
        return true;
      case 'transaction.open':
        this.#open.told(this.#seat.links[from] as ShardLink, note, this.#transactions);
        return true;
      case 'transaction.unknown':
        this.#open.abort(note);
        return true;
      default:
        return false;
    }
  }

  bytesMax({ logIds }: RemoteMarkers): number {
    return endsBytesMax(logIds.length);
  }

  end({ logIds, producerId, epoch, isCommit }: RemoteMarkers, timestampMs: number): void {
    for (const logId of logIds) {
      const partition = this.#findPartition(logId);
      if (partition !== undefined) endInPartition(partition, { producerId, epoch }, isCommit, timestampMs);
    }
    this.verification?.ended(producerId);
  }
}
