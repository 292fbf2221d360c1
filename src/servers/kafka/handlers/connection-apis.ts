import type { AnyHandler } from '../handler.ts';
import { apiVersionsHandler } from './api-versions.ts';
import { saslAuthenticateHandler } from './sasl-authenticate.ts';
import { saslHandshakeHandler } from './sasl-handshake.ts';

/** Connections. */
export const connectionApis: readonly AnyHandler[] = [
  apiVersionsHandler,
  saslHandshakeHandler,
  saslAuthenticateHandler,
];
