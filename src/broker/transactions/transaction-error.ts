import { KindError } from '../../base/expected-error.ts';
import type { Owner } from './requests.ts';
import type { ProducerIdentity, TransactionalProducer } from './transactional-producer.ts';

/** What can be wrong with a request about a transaction. The servers translate the kind to their protocol's code. */
export type TransactionErrorKind =
  /** Nobody has this transactional id, or another producer. */
  | 'unknown-producer'
  /** Another producer has succeeded this one. */
  | 'fenced'
  /** Nothing is there to be ended like that. */
  | 'invalid-state'
  /** The first records of a partition do not begin with the number 0. */
  | 'out-of-order'
  /** The partition, or the group, is no part of the transaction. */
  | 'not-in-transaction'
  | 'invalid-timeout'
  | 'invalid-request'
  | 'too-many'
  /** Memory or disk is short; it may work later. */
  | 'unavailable'
  /** The end of the last transaction is on its way to other shards: when it is there, it works. */
  | 'concurrent'
  /** The end of the transaction has no room on the way to another shard, yet. */
  | 'no-room'
  /** The coordinator, in another shard, has not said that the partition is in the transaction, or takes that back by now. */
  | 'unverified'
  /** Transactions are coordinated in another shard. */
  | 'not-coordinator';

/** A request that is refused; nothing has changed. */
export class TransactionError extends KindError<TransactionErrorKind> {
  override name = 'TransactionError';
}

export function unknown({ id, identity }: Owner): TransactionError {
  return new TransactionError('unknown-producer', `producer ${identity.producerId} does not have '${id}'`);
}

export function fenced(
  { id, identity }: TransactionalProducer,
  { epoch }: ProducerIdentity,
): TransactionError {
  return new TransactionError('fenced', `epoch ${epoch} of '${id}' was succeeded by ${identity.epoch}`);
}

export function notOpen({ id, state }: TransactionalProducer, isCommit: boolean): TransactionError {
  const verb = isCommit ? 'committed' : 'aborted';
  return new TransactionError('invalid-state', `no transaction of '${id}' can be ${verb}: it is ${state}`);
}

export function concurrent({ id }: TransactionalProducer): TransactionError {
  return new TransactionError(
    'concurrent',
    `the last transaction of '${id}' is not over in all shards: a moment later it is`,
  );
}
