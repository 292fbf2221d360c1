import type {
  TransactionalProducer,
  TransactionState,
} from '../../broker/transactions/transactional-producer.ts';

/** Kafka's names for the states of a transactional id. */
const TRANSACTION_STATES: Readonly<Record<TransactionState, string>> = {
  empty: 'Empty',
  ongoing: 'Ongoing',
  committed: 'CompleteCommit',
  aborted: 'CompleteAbort',
};

/** Until the ends are in all other shards that have partitions of the transaction. */
const PREPARE_COMMIT = 'PrepareCommit';
const PREPARE_ABORT = 'PrepareAbort';

/** All states that a filter can name (KIP-664). */
const OTHER_STATES = [PREPARE_COMMIT, PREPARE_ABORT, 'PrepareEpochFence', 'Dead'];

export function stateOf({ state, isSettling }: TransactionalProducer): string {
  if (!isSettling) return TRANSACTION_STATES[state];
  return state === 'committed' ? PREPARE_COMMIT : PREPARE_ABORT;
}

export const ALL_STATES: ReadonlySet<string> = new Set([
  ...Object.values(TRANSACTION_STATES),
  ...OTHER_STATES,
]);
