import type { TransactionState } from '../../broker/transactions/transactional-producer.ts';

/** As Kafka calls the states of a transactional id. */
export const TRANSACTION_STATES: Readonly<Record<TransactionState, string>> = {
  empty: 'Empty',
  ongoing: 'Ongoing',
  committed: 'CompleteCommit',
  aborted: 'CompleteAbort',
};

/** Those that a cluster can have, though here a transaction is never in them: it ends at once. */
const OTHER_STATES = ['PrepareCommit', 'PrepareAbort', 'PrepareEpochFence', 'Dead'];

export const ALL_STATES: ReadonlySet<string> = new Set([
  ...Object.values(TRANSACTION_STATES),
  ...OTHER_STATES,
]);
