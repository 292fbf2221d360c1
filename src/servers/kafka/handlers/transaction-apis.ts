import type { AnyHandler } from '../handler.ts';
import { addOffsetsToTxnHandler } from './add-offsets-to-txn.ts';
import { addPartitionsToTxnHandler } from './add-partitions-to-txn.ts';
import { describeProducersHandler } from './describe-producers.ts';
import { describeTransactionsHandler } from './describe-transactions.ts';
import { endTxnHandler } from './end-txn.ts';
import { initProducerIdHandler } from './init-producer-id.ts';
import { listTransactionsHandler } from './list-transactions.ts';
import { txnOffsetCommitHandler } from './txn-offset-commit.ts';
import { writeTxnMarkersHandler } from './write-txn-markers.ts';

/** Transactions (KIP-98). */
export const transactionApis: readonly AnyHandler[] = [
  initProducerIdHandler,
  addPartitionsToTxnHandler,
  addOffsetsToTxnHandler,
  txnOffsetCommitHandler,
  endTxnHandler,
  writeTxnMarkersHandler,
  describeProducersHandler,
  describeTransactionsHandler,
  listTransactionsHandler,
];
