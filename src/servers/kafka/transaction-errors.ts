import type { TransactionErrorKind } from '../../broker/transactions/transaction-error.ts';
import type { ErrorName } from '../../wire/kafka/error-codes.ts';

/** What Produce says. A producer that is fenced reads another name there than elsewhere, for older clients know only that. */
export const TRANSACTION_ERRORS: Readonly<Record<TransactionErrorKind, ErrorName>> = {
  'unknown-producer': 'INVALID_PRODUCER_ID_MAPPING',
  fenced: 'INVALID_PRODUCER_EPOCH',
  'invalid-state': 'INVALID_TXN_STATE',
  'not-in-transaction': 'INVALID_TXN_STATE',
  'invalid-timeout': 'INVALID_TRANSACTION_TIMEOUT',
  'invalid-request': 'INVALID_REQUEST',
  'too-many': 'COORDINATOR_NOT_AVAILABLE',
};
