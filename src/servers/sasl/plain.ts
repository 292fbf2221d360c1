import { SaslError } from './errors.ts';

export interface PlainMessage {
  readonly user: string;
  readonly password: string;
}

/** RFC 4616: [authorization identity] NUL user NUL password, in UTF-8. @throws SaslError */
export function readPlain(message: Uint8Array): PlainMessage {
  const parts = Buffer.from(message.buffer, message.byteOffset, message.length).toString('utf8').split('\0');
  const [authorization, user, password] = parts;
  if (parts.length !== 3 || user === undefined || password === undefined) {
    throw new SaslError(`Invalid SASL/PLAIN response: expected 3 tokens, got ${parts.length}`);
  }
  if (user === '') throw new SaslError('Authentication failed: username not specified');
  if (password === '') throw new SaslError('Authentication failed: password not specified');
  if (authorization !== '' && authorization !== user) {
    throw new SaslError(
      'Authentication failed: Client requested an authorization id that is different from username',
    );
  }
  return { user, password };
}
