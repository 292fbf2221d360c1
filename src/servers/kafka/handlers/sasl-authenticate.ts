import type { ResponseInput } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES } from '../../../wire/kafka/error-codes.ts';
import { decodeRequest, FRAME_LENGTH_BYTES } from '../../../wire/kafka/headers.ts';
import { saslAuthenticate } from '../../../wire/kafka/messages/sasl.ts';
import { authenticationOf, type SaslStep } from '../connection/authentication.ts';
import type { PendingResponse } from '../connection/pending-response.ts';
import type { RawHandler } from '../handler.ts';
import type { ClientConnection, RequestContext } from './request-context.ts';

const NOTHING = Buffer.alloc(0);

export const saslAuthenticateHandler: RawHandler<typeof saslAuthenticate> = {
  api: saslAuthenticate,
  minVersion: 0,
  maxVersion: 2,
  isOpenToAll: true,
  handleRaw(bytes, start, end, pending, { version, client, broker }) {
    const { authBytes } = decodeRequest(saslAuthenticate, version, bytes, start, end);
    authenticationOf(client)
      .authenticate(authBytes)
      .then(
        (step) => {
          broker.shard.turn.touch();
          pending.fill(responseOf(step));
          closeIfRefused(client, step);
        },
        (error) => pending.fail(error),
      );
  },
};

/** A token in a frame of its own, after SaslHandshake 0. A refused one has no answer: the connection is closed. */
export function authenticateByToken(
  token: Buffer,
  pending: PendingResponse,
  { client, broker }: Pick<RequestContext, 'client' | 'broker'>,
): void {
  authenticationOf(client)
    .authenticate(token)
    .then(
      (step) => {
        broker.shard.turn.touch();
        if (step.kind === 'more' || step.kind === 'done') pending.fillFrame(framed(step.token));
        closeIfRefused(client, step);
      },
      (error) => pending.fail(error),
    );
}

function responseOf(step: SaslStep): ResponseInput<typeof saslAuthenticate> {
  switch (step.kind) {
    case 'more':
      return { errorCode: ERROR_CODES.NONE, errorMessage: null, authBytes: step.token };
    case 'done':
      return {
        errorCode: ERROR_CODES.NONE,
        errorMessage: null,
        authBytes: step.token,
        sessionLifetimeMs: step.lifetimeMs,
      };
    case 'failed':
      return {
        errorCode: ERROR_CODES.SASL_AUTHENTICATION_FAILED,
        errorMessage: step.text,
        authBytes: NOTHING,
      };
    case 'unexpected':
      return { errorCode: ERROR_CODES.ILLEGAL_SASL_STATE, errorMessage: step.text, authBytes: NOTHING };
  }
}

function closeIfRefused(client: ClientConnection, step: SaslStep): void {
  if (step.kind === 'failed' || step.kind === 'unexpected') client.close('login refused');
}

function framed(token: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_LENGTH_BYTES + token.length);
  frame.writeInt32BE(token.length, 0);
  frame.set(token, FRAME_LENGTH_BYTES);
  return frame;
}
