import type { AnyHandler } from '../handler.ts';
import { accessApis } from './access-apis.ts';
import { configApis } from './config-apis.ts';
import { connectionApis } from './connection-apis.ts';
import { groupApis } from './group-apis.ts';
import { recordApis } from './record-apis.ts';
import { replicaApis } from './replica-apis.ts';
import { shareGroupApis } from './share-group-apis.ts';
import { topicApis } from './topic-apis.ts';
import { transactionApis } from './transaction-apis.ts';

/** Every API that is served, in the order of the keys: ApiVersions tells clients what is here, and nothing else. */
export const HANDLERS: readonly AnyHandler[] = [
  ...connectionApis,
  ...recordApis,
  ...topicApis,
  ...groupApis,
  ...shareGroupApis,
  ...transactionApis,
  ...configApis,
  ...accessApis,
  ...replicaApis,
].sort((a, b) => a.api.key - b.api.key);

const byKey: (AnyHandler | undefined)[] = [];
for (const handler of HANDLERS) byKey[handler.api.key] = handler;

/** Undefined for an API that is not served. */
export function handlerOf(apiKey: number): AnyHandler | undefined {
  return byKey[apiKey];
}
