import { ERROR_CODES } from '../../../wire/kafka/error-codes.ts';
import { decodeRequest } from '../../../wire/kafka/headers.ts';
import { saslHandshake } from '../../../wire/kafka/messages/sasl.ts';
import { authenticationOf, SASL_MECHANISMS } from '../connection/authentication.ts';
import type { RawHandler } from '../handler.ts';

/** After version 0 SASL tokens come as bare frames, after version 1 in SaslAuthenticate requests (KIP-152). */
export const saslHandshakeHandler: RawHandler<typeof saslHandshake> = {
  api: saslHandshake,
  minVersion: 0,
  maxVersion: 1,
  isOpenToAll: true,
  handleRaw(bytes, start, end, pending, { version, client }) {
    const { mechanism } = decodeRequest(saslHandshake, version, bytes, start, end);
    const error = authenticationOf(client).handshake(mechanism, version);
    pending.fill<typeof saslHandshake>({ errorCode: ERROR_CODES[error], mechanisms: SASL_MECHANISMS });
    if (error === 'UNSUPPORTED_SASL_MECHANISM') {
      client.close(`login refused: there is no SASL mechanism '${mechanism.slice(0, 100)}'`);
    }
  },
};
