import type { Json } from '../../../base/value-json.ts';
import type { ShardNote } from '../../doors/shard-link.ts';
import type { Owner } from '../../transactions/requests.ts';
import type { VerificationRequest } from '../../transactions/transaction-admission.ts';
import type { TransactionErrorKind } from '../../transactions/transaction-error.ts';
import { flag, number, text } from '../command-codec.ts';

/** A partition as all shards know it: the id of the stream, and the place in it. */
export interface NamedPartition {
  readonly stream: string;
  readonly index: number;
}

/** What a shard asks shard 0. */
export interface VerificationNote {
  readonly owner: Owner;
  readonly mayAdd: boolean;
  readonly partitions: readonly NamedPartition[];
}

export function encodeVerification(
  question: number,
  { owner: { vhost, id, identity }, mayAdd, partitions }: VerificationRequest,
): ShardNote {
  return {
    op: 'transaction.verify',
    number: question,
    vhost,
    id,
    producerId: identity.producerId,
    epoch: identity.epoch,
    mayAdd,
    partitions: partitions.map(({ stream, index }) => [stream.id, index]),
  };
}

export function decodeVerification(note: ShardNote): VerificationNote {
  const identity = { producerId: number(note, 'producerId'), epoch: number(note, 'epoch') };
  const named = note.partitions as readonly (readonly [string, number])[];
  return {
    owner: { vhost: text(note, 'vhost'), id: text(note, 'id'), identity },
    mayAdd: flag(note, 'mayAdd'),
    partitions: named.map(([stream, index]) => ({ stream, index })),
  };
}

export function kindsOf(note: ShardNote): readonly (TransactionErrorKind | null)[] {
  return note.kinds as readonly Json[] as readonly (TransactionErrorKind | null)[];
}
