import { decodeTableFields } from '../../../wire/amqp091/field-table.ts';
import { AmqpError } from '../errors.ts';

/** `password` is null for EXTERNAL, where the client's TLS certificate has proved the user. */
export interface Credentials {
  readonly user: string;
  readonly password: string | null;
}

/**
 * As connection.start offers them, the preferred one first. `isNamed`: the client's TLS certificate names a user. For
 * any other certificate EXTERNAL is not offered: py-amqp takes it wherever it is, and does not try its password.
 */
export function mechanisms(isNamed: boolean): string {
  return isNamed ? 'PLAIN AMQPLAIN EXTERNAL' : 'PLAIN AMQPLAIN';
}

/**
 * The response of connection.start-ok; null if it is malformed. `certificateName`: the user that the client's verified
 * TLS certificate names, or null. @throws AmqpError if there is no such mechanism
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
