import type { AnyHandler } from './handler.ts';
import { apiVersionsHandler } from './handlers/api-versions.ts';

/** Every API that is served: what is here is what clients are told. */
const HANDLERS: readonly AnyHandler[] = [apiVersionsHandler];

const byKey: (AnyHandler | undefined)[] = [];
for (const handler of HANDLERS) byKey[handler.api.key] = handler;

/** Undefined for an API that is not served. */
export function handlerOf(apiKey: number): AnyHandler | undefined {
  return byKey[apiKey];
}

/** In the order of their keys. */
export function servedHandlers(): readonly AnyHandler[] {
  return [...HANDLERS].sort((a, b) => a.api.key - b.api.key);
}
