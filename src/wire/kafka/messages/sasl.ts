import { api, array, bytes, int16, int64, string } from '../declaration.ts';

/** Authentication (KIP-43, KIP-152). After a SaslHandshake of version 0 the tokens follow as bare frames. */

export const saslHandshake = api(17, 'SaslHandshake', '0-1', 'none', {
  request: {
    mechanism: string,
  },
  response: {
    errorCode: int16,
    mechanisms: array(string),
  },
});

export const saslAuthenticate = api(36, 'SaslAuthenticate', '0-2', '2+', {
  request: {
    authBytes: bytes,
  },
  response: {
    errorCode: int16,
    errorMessage: string.nullable(),
    authBytes: bytes,
    sessionLifetimeMs: int64.in('1+').or(0),
  },
});
