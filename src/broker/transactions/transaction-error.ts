import { ForeseenError } from '../../base/foreseen-error.ts';

/** What can be wrong with a request about a transaction. The servers translate the kind to their protocol's code. */
export type TransactionErrorKind =
  /** Nobody has this transactional id, or another producer. */
  | 'unknown-producer'
  /** Another producer has succeeded this one. */
  | 'fenced'
  /** Nothing is there to be ended like that. */
  | 'invalid-state'
  /** The partition, or the group, is no part of the transaction. */
  | 'not-in-transaction'
  | 'invalid-timeout'
  | 'invalid-request'
  | 'too-many';

/** A request that is refused; nothing has changed. */
export class TransactionError extends ForeseenError {
  readonly kind: TransactionErrorKind;

  constructor(kind: TransactionErrorKind, message: string) {
    super(message);
    this.name = 'TransactionError';
    this.kind = kind;
  }
}
