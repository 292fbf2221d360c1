import type { TransactionState } from '../../broker/transactions/transactional-producer.ts';

/** Kafka's names for the states of a transactional id. */
export const TRANSACTION_STATES: Readonly<Record<TransactionState, string>> = {
  empty: 'Empty',
  ongoing: 'Ongoing',
  committed: 'CompleteCommit',
  aborted: 'CompleteAbort',
};

/** All states that a filter can name (KIP-664); here a transaction is never in the Prepare states: it ends in one block. */
const OTHER_STATES = ['PrepareCommit', 'PrepareAbort', 'PrepareEpochFence', 'Dead'];

export const ALL_STATES: ReadonlySet<string> = new Set([
  ...Object.values(TRANSACTION_STATES),
  ...OTHER_STATES,
]);
