import type { Owner } from '../../broker/transactions/requests.ts';
import { TransactionError, type TransactionErrorKind } from '../../broker/transactions/transaction-error.ts';
import { ERROR_CODES, type ErrorName } from '../../wire/kafka/error-codes.ts';
import type { RequestContext } from './handlers/request-context.ts';

const TRANSACTION_ERRORS: Readonly<Record<TransactionErrorKind, ErrorName>> = {
  'unknown-producer': 'INVALID_PRODUCER_ID_MAPPING',
  fenced: 'INVALID_PRODUCER_EPOCH',
  'invalid-state': 'INVALID_TXN_STATE',
  'not-in-transaction': 'INVALID_TXN_STATE',
  'out-of-order': 'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'invalid-timeout': 'INVALID_TRANSACTION_TIMEOUT',
  'invalid-request': 'INVALID_REQUEST',
  'too-many': 'POLICY_VIOLATION',
  // Clients try again.
  unavailable: 'COORDINATOR_NOT_AVAILABLE',
  concurrent: 'CONCURRENT_TRANSACTIONS',
  'no-room': 'CONCURRENT_TRANSACTIONS',
  unverified: 'NOT_ENOUGH_REPLICAS',
  'not-coordinator': 'NOT_COORDINATOR',
};

/** What passes by itself: Produce is told in a word that every version of a producer tries again at, as by Kafka. */
const TRIED_AGAIN: ReadonlySet<TransactionErrorKind> = new Set([
  'unavailable',
  'concurrent',
  'no-room',
  'unverified',
  'not-coordinator',
]);

/** From this version on Produce can answer TRANSACTION_ABORTABLE (KIP-890). */
const PRODUCE_ABORTABLE_FROM = 11;

/** The error for Produce, which in no version answers PRODUCER_FENCED. */
export function producedError(kind: TransactionErrorKind, version: number): ErrorName {
  if (kind === 'not-in-transaction' && version >= PRODUCE_ABORTABLE_FROM) return 'TRANSACTION_ABORTABLE';
  return TRIED_AGAIN.has(kind) ? 'NOT_ENOUGH_REPLICAS' : TRANSACTION_ERRORS[kind];
}

/** As `codeOf`, which waits some seconds for what other shards have to get before. */
export async function codeInTime(
  owner: Pick<Owner, 'vhost' | 'id'>,
  run: () => void,
  context: RequestContext,
  fencedFrom: number,
): Promise<number> {
  let failure: unknown = null;
  await context.broker.transactions.settling.patiently(owner, run).catch((error: unknown) => {
    failure = error;
  });
  const rethrow = () => {
    if (failure !== null) throw failure;
  };
  return codeOf(rethrow, context, fencedFrom);
}

/**
 * Runs `run`. Returns the error code for the TransactionError that it throws, else NONE. From version `fencedFrom` of the
 * API on clients know PRODUCER_FENCED (KIP-588), from `abortableFrom` on TRANSACTION_ABORTABLE (KIP-890).
 */
export function codeOf(
  run: () => void,
  { version }: RequestContext,
  fencedFrom: number,
  abortableFrom = Number.POSITIVE_INFINITY,
): number {
  try {
    run();
    return ERROR_CODES.NONE;
  } catch (error) {
    if (!(error instanceof TransactionError)) throw error;
    const { kind } = error;
    if (kind === 'fenced' && version >= fencedFrom) return ERROR_CODES.PRODUCER_FENCED;
    if (kind === 'not-in-transaction' && version >= abortableFrom) return ERROR_CODES.TRANSACTION_ABORTABLE;
    return ERROR_CODES[TRANSACTION_ERRORS[kind]];
  }
}
