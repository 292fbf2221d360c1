import type { ShardLink, ShardNote, ShardSeat } from '../../doors/shard-link.ts';
import type { Shard } from '../../shard/shard.ts';
import type { AnyPartition } from '../../streams/any-partition.ts';
import type { Streams } from '../../streams/streams.ts';
import type { Owner } from '../../transactions/requests.ts';
import { TransactionError, type TransactionErrorKind } from '../../transactions/transaction-error.ts';
import type { Transactions } from '../../transactions/transactions.ts';
import { number } from '../command-codec.ts';
import { decodeVerification, type NamedPartition, type VerificationNote } from './verification-notes.ts';

interface Verdict {
  readonly kinds: readonly (TransactionErrorKind | null)[];
  /** Has to be durable before it is said: otherwise a crash could leave records of which no transaction knows. */
  readonly block: number;
}

/** In shard 0, which coordinates all transactions: says to the others which of their partitions are in them, and adds those that may be. */
export class VerificationService {
  readonly #seat: ShardSeat;
  readonly #shard: Shard;
  readonly #transactions: Transactions;
  readonly #streams: Streams;

  constructor(seat: ShardSeat, shard: Shard, transactions: Transactions, streams: Streams) {
    this.#seat = seat;
    this.#shard = shard;
    this.#transactions = transactions;
    this.#streams = streams;
  }

  asked(from: number, note: ShardNote): void {
    const link = this.#seat.links[from] as ShardLink;
    const { kinds, block } = this.#verdict(decodeVerification(note));
    const answer = { op: 'transaction.verified', number: number(note, 'number'), kinds };
    this.#shard.whenDurable(block, { onDurable: () => link.tell(answer) });
  }

  #verdict({ owner, mayAdd, partitions }: VerificationNote): Verdict {
    const found = partitions.map((each) => this.#find(each));
    const there = found.filter((each) => each !== undefined);
    const refusal = mayAdd ? kindOf(() => this.#transactions.grow(owner, there, [])) : null;
    const kinds = found.map((partition) => {
      // The other shard will know in a moment that it is gone.
      if (partition === undefined) return 'unavailable';
      return mayAdd ? refusal : kindOf(() => this.#transactions.verify(owner, partition));
    });
    return { kinds, block: kinds.includes(null) ? this.#grownBlock(owner) : 0 };
  }

  #grownBlock(owner: Owner): number {
    return this.#transactions.grownBlock(owner);
  }

  #find({ stream, index }: NamedPartition): AnyPartition | undefined {
    return this.#streams.byId(stream)?.partitions[index];
  }
}

/** What stands against it. */
function kindOf(run: () => void): TransactionErrorKind | null {
  try {
    run();
    return null;
  } catch (error) {
    if (error instanceof TransactionError) return error.kind;
    throw error;
  }
}
