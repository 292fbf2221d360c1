import type { ResponseInput } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES } from '../../../wire/kafka/error-codes.ts';
import { decodeRequest, FRAME_LENGTH_BYTES } from '../../../wire/kafka/headers.ts';
import { saslAuthenticate } from '../../../wire/kafka/messages/sasl.ts';
import type { SaslStep } from '../connection/authentication.ts';
import type { KafkaConnection } from '../connection/connection.ts';
import { PendingResponse } from '../connection/pending-response.ts';
import type { RawHandler } from '../handler.ts';

const NOTHING = Buffer.alloc(0);

export const saslAuthenticateHandler: RawHandler<typeof saslAuthenticate> = {
  api: saslAuthenticate,
  minVersion: 0,
  maxVersion: 2,
  isOpenToAll: true,
  handleRaw(bytes, start, end, slot, { version, connection }) {
    const { authBytes } = decodeRequest(saslAuthenticate, version, bytes, start, end);
    connection.authentication.authenticate(authBytes).then(
      (step) => {
        connection.broker.turn.touch();
        slot.fill(responseOf(step));
        closeIfRefused(connection, step);
      },
      (error) => slot.fail(error),
    );
  },
};

/** A token in a frame of its own, after SaslHandshake 0. There is no way to say more than that it was not good. */
export function authenticateByToken(connection: KafkaConnection, token: Buffer): void {
  const slot = new PendingResponse(connection, {
    api: saslAuthenticate,
    version: 0,
    correlationId: 0,
    bytes: token.length,
    isLarge: false,
  });
  connection.replies.add(slot);
  connection.authentication.authenticate(token).then(
    (step) => {
      connection.broker.turn.touch();
      if (step.kind === 'more' || step.kind === 'done') slot.fillFrame(framed(step.token));
      closeIfRefused(connection, step);
    },
    (error) => slot.fail(error),
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

function closeIfRefused(connection: KafkaConnection, step: SaslStep): void {
  if (step.kind === 'failed' || step.kind === 'unexpected') connection.close('login refused');
}

function framed(token: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(FRAME_LENGTH_BYTES + token.length);
  frame.writeInt32BE(token.length, 0);
  frame.set(token, FRAME_LENGTH_BYTES);
  return frame;
}
