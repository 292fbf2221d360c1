import { TransactionError, type TransactionErrorKind } from '../../broker/transactions/transaction-error.ts';
import { ERROR_CODES, type ErrorName } from '../../wire/kafka/error-codes.ts';
import type { Call } from './handler.ts';

/** What Produce says: producers that know PRODUCER_FENCED there are younger than its versions. */
export const TRANSACTION_ERRORS: Readonly<Record<TransactionErrorKind, ErrorName>> = {
  'unknown-producer': 'INVALID_PRODUCER_ID_MAPPING',
  fenced: 'INVALID_PRODUCER_EPOCH',
  'invalid-state': 'INVALID_TXN_STATE',
  'not-in-transaction': 'INVALID_TXN_STATE',
  'invalid-timeout': 'INVALID_TRANSACTION_TIMEOUT',
  'invalid-request': 'INVALID_REQUEST',
  'too-many': 'COORDINATOR_NOT_AVAILABLE',
};

/**
 * Runs it; the code of the error that it throws, if that is a transaction's, and NONE otherwise. From version
 * `fencedFrom` of its API on, a client knows that it can be fenced (KIP-588).
 */
export function codeOf(run: () => void, { version }: Call, fencedFrom: number): number {
  try {
    run();
    return ERROR_CODES.NONE;
  } catch (error) {
    if (!(error instanceof TransactionError)) throw error;
    const { kind } = error;
    return ERROR_CODES[
      kind === 'fenced' && version >= fencedFrom ? 'PRODUCER_FENCED' : TRANSACTION_ERRORS[kind]
    ];
  }
}
