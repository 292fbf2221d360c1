import type { AnyHandler } from './handler.ts';
import { addOffsetsToTxnHandler } from './handlers/add-offsets-to-txn.ts';
import { addPartitionsToTxnHandler } from './handlers/add-partitions-to-txn.ts';
import { apiVersionsHandler } from './handlers/api-versions.ts';
import { describeProducersHandler } from './handlers/describe-producers.ts';
import { describeTransactionsHandler } from './handlers/describe-transactions.ts';
import { endTxnHandler } from './handlers/end-txn.ts';
import { fetchHandler } from './handlers/fetch.ts';
import { initProducerIdHandler } from './handlers/init-producer-id.ts';
import { listOffsetsHandler } from './handlers/list-offsets.ts';
import { listTransactionsHandler } from './handlers/list-transactions.ts';
import { offsetForLeaderEpochHandler } from './handlers/offset-for-leader-epoch.ts';
import { produceHandler } from './handlers/produce.ts';
import { saslAuthenticateHandler } from './handlers/sasl-authenticate.ts';
import { saslHandshakeHandler } from './handlers/sasl-handshake.ts';

/** Every API that is served, in the order of the keys: what is here is what clients are told. */
export const HANDLERS: readonly AnyHandler[] = [
  produceHandler,
  fetchHandler,
  listOffsetsHandler,
  apiVersionsHandler,
  offsetForLeaderEpochHandler,
  saslHandshakeHandler,
  saslAuthenticateHandler,
  addOffsetsToTxnHandler,
  addPartitionsToTxnHandler,
  describeProducersHandler,
  describeTransactionsHandler,
  endTxnHandler,
  initProducerIdHandler,
  listTransactionsHandler,
].sort((a, b) => a.api.key - b.api.key);

const byKey: (AnyHandler | undefined)[] = [];
for (const handler of HANDLERS) byKey[handler.api.key] = handler;

export function handlerByKey(apiKey: number): AnyHandler | undefined {
  return byKey[apiKey];
}
