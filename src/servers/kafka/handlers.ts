import type { AnyHandler } from './handler.ts';
import { apiVersionsHandler } from './handlers/api-versions.ts';
import { fetchHandler } from './handlers/fetch.ts';
import { listOffsetsHandler } from './handlers/list-offsets.ts';
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
].sort((a, b) => a.api.key - b.api.key);

const byKey: (AnyHandler | undefined)[] = [];
for (const handler of HANDLERS) byKey[handler.api.key] = handler;

export function handlerByKey(apiKey: number): AnyHandler | undefined {
  return byKey[apiKey];
}
