import { decodeTableFields } from '../../../wire/amqp091/field-table.ts';
import { AmqpError } from '../errors.ts';

/** A user with what is to prove it; null if the name is proved already, by the certificate. */
export interface Credentials {
  readonly user: string;
  readonly password: string | null;
}

/**
 * As connection.start offers them, the preferred one first. `isNamed`: the certificate of the client is that of a user.
 * Of one that is only there for TLS we say nothing: py-amqp takes EXTERNAL wherever it is offered, and would not come
 * in with the password that it has.
 */
export function mechanisms(isNamed: boolean): string {
  return isNamed ? 'PLAIN AMQPLAIN EXTERNAL' : 'PLAIN AMQPLAIN';
}

/**
 * Null if the response makes no sense. `certificateName` is whom the verified certificate of the client names; null if
 * there is none. @throws AmqpError if there is no such mechanism
 */
export function readCredentials(
  mechanism: string,
  response: Uint8Array,
  certificateName: string | null,
): Credentials | null {
  if (mechanism === 'PLAIN') return readPlain(response);
  if (mechanism === 'AMQPLAIN') return readAmqPlain(response);
  if (mechanism === 'EXTERNAL' && certificateName !== null) return { user: certificateName, password: null };
  throw new AmqpError('COMMAND_INVALID', `unknown authentication mechanism '${mechanism}'`);
}

/** RFC 4616: [authorization identity] NUL user NUL password. */
function readPlain(response: Uint8Array): Credentials | null {
  const parts = Buffer.from(response).toString('utf8').split('\0');
  if (parts.length !== 3) return null;
  return { user: parts[1], password: parts[2] };
}

/** The fields LOGIN and PASSWORD of a table without its length. */
function readAmqPlain(response: Uint8Array): Credentials | null {
  const { LOGIN: user, PASSWORD: password } = decodeTableFields(Buffer.from(response), 0, response.length);
  return typeof user === 'string' && typeof password === 'string' ? { user, password } : null;
}
