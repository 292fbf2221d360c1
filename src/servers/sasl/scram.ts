import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import type { ScramShape } from '../../broker/access/credentials.ts';
import {
  SCRAM_ITERATIONS_MAX,
  type ScramCredential,
  type ScramMechanism,
  scramHash,
  scramHmac,
  scramKeyBytes,
} from '../../broker/access/scram.ts';
import { SaslError } from './errors.ts';

const NONCE_BYTES = 24;
/** Of credentials that are made here. */
const USUAL_SHAPE: ScramShape = { iterations: SCRAM_ITERATIONS_MAX, saltBytes: 16 };
/** Longer than any client's; what an exchange has sent is kept until it ends. */
const MESSAGE_BYTES_MAX = 8192;

interface ClientFirst {
  /** The GS2 header, `n,,`: channel binding flag and authorization identity. */
  readonly header: string;
  readonly bare: string;
  readonly user: string;
  readonly nonce: string;
}

interface Begun {
  readonly first: ClientFirst;
  readonly serverFirst: string;
  readonly nonce: string;
  readonly credential: ScramCredential;
}

/**
 * The server's side of one exchange of SCRAM (RFC 5802, 7677), without channel binding:
 *
 *     client  n,,n=user,r=<nonce>
 *     server  r=<nonce + ours>,s=<salt>,i=<iterations>
 *     client  c=<the first `n,,`>,r=<both>,p=<proof>
 *     server  v=<signature>
 *
 * An unknown user gets a fake salt and fails at the proof, so that the exchange does not tell which users exist.
 */
export class ScramExchange {
  readonly #mechanism: ScramMechanism;
  readonly #find: (user: string) => ScramCredential | undefined;
  readonly #ourNonce: string;
  #begun: Begun | null = null;

  constructor(
    mechanism: ScramMechanism,
    find: (user: string) => ScramCredential | undefined,
    ourNonce = randomBytes(NONCE_BYTES).toString('base64'),
  ) {
    this.#mechanism = mechanism;
    this.#find = find;
    this.#ourNonce = ourNonce;
  }

  /** The user name of the client-first message; empty before it. */
  get user(): string {
    return this.#begun?.first.user ?? '';
  }

  get hasBegun(): boolean {
    return this.#begun !== null;
  }

  /** Takes the client-first message; returns server-first. @throws SaslError */
  begin(message: Uint8Array): Buffer {
    const first = readFirst(textOf(message));
    const credential = this.#find(first.user) ?? fakeCredential(this.#mechanism, first.user);
    const nonce = first.nonce + this.#ourNonce;
    const serverFirst = `r=${nonce},s=${credential.salt},i=${credential.iterations}`;
    this.#begun = { first, serverFirst, nonce, credential };
    return Buffer.from(serverFirst, 'utf8');
  }

  /** Takes the client-final message; returns server-final if the proof is right. @throws SaslError */
  finish(message: Uint8Array): Buffer {
    if (this.#begun === null) throw new SaslError('there is no exchange to finish');
    const { first, serverFirst, nonce, credential } = this.#begun;
    const text = textOf(message);
    const parts = /^c=([A-Za-z0-9+/=]*),r=([^,]*)(?:,[^,]+)*?,p=([A-Za-z0-9+/=]+)$/.exec(text);
    if (parts === null) throw this.#malformed('client final');
    const [, binding = '', theirNonce = '', proofText = ''] = parts;
    if (Buffer.from(binding, 'base64').toString('utf8') !== first.header) throw this.#refusal();
    // librdkafka repeats its nonce in front; Kafka accepts that, and the nonce still belongs to this exchange.
    if (!theirNonce.endsWith(nonce)) throw this.#refusal();
    const authMessage = `${first.bare},${serverFirst},${text.slice(0, text.lastIndexOf(',p='))}`;
    const proof = Buffer.from(proofText, 'base64');
    if (!this.#isProof(proof, credential, authMessage)) throw this.#refusal();
    const serverKey = Buffer.from(credential.serverKey, 'base64');
    const signature = scramHmac(this.#mechanism, serverKey, authMessage).toString('base64');
    return Buffer.from(`v=${signature}`, 'utf8');
  }

  /** ClientProof = ClientKey XOR HMAC(StoredKey, AuthMessage), and StoredKey = H(ClientKey). */
  #isProof(proof: Buffer, { storedKey }: ScramCredential, authMessage: string): boolean {
    const stored = Buffer.from(storedKey, 'base64');
    const signature = scramHmac(this.#mechanism, stored, authMessage);
    if (proof.length !== signature.length) return false;
    const clientKey = proof.map((byte, at) => byte ^ (signature[at] ?? 0));
    return timingSafeEqual(scramHash(this.#mechanism, clientKey), stored);
  }

  #refusal(): SaslError {
    return new SaslError(
      `Authentication failed during authentication due to invalid credentials with SASL mechanism ${this.#mechanism}`,
    );
  }

  #malformed(which: string): SaslError {
    return new SaslError(`Invalid SCRAM ${which} message format with SASL mechanism ${this.#mechanism}`);
  }
}

/** @throws SaslError */
function readFirst(text: string): ClientFirst {
  // RFC 5802, 7: `m=` is a mandatory extension, `p=` channel binding; neither is supported.
  const parts = /^([ny],(?:a=([^,]*))?,)(n=([^,]+),r=([!-+\--~]+)(,.*)?)$/su.exec(text);
  if (parts === null) throw new SaslError('Invalid SCRAM client first message format');
  const [, header = '', authorization, bare = '', name = '', nonce = '', extensions = ''] = parts;
  if (/(^|,)tokenauth=true(,|$)/.test(extensions)) {
    throw new SaslError('Delegation tokens are not supported');
  }
  const user = plainName(name);
  if (authorization !== undefined && authorization !== '' && plainName(authorization) !== user) {
    throw new SaslError(
      'Authentication failed: Client requested an authorization id that is different from username',
    );
  }
  return { header, bare, user, nonce };
}

/** The `saslname` of RFC 5802: `=2C` is a comma, `=3D` an equals sign, any other `=` is an error. */
function plainName(name: string): string {
  if (/=(?!2C|3D)/.test(name)) throw new SaslError('Invalid SCRAM client first message format');
  return name.replaceAll('=2C', ',').replaceAll('=3D', '=');
}

function textOf(message: Uint8Array): string {
  if (message.length > MESSAGE_BYTES_MAX) throw new SaslError('A SCRAM message is too long');
  return Buffer.from(message.buffer, message.byteOffset, message.length).toString('utf8');
}

const secret = randomBytes(32);

/**
 * For an unknown user: the same salt each time for the same name, and no proof is right for it. `shapes`: what the
 * credentials of users look like, of which it is like one.
 */
export function fakeCredential(
  mechanism: ScramMechanism,
  user: string,
  shapes: readonly ScramShape[] = [],
): ScramCredential {
  const derive = (what: string): Buffer =>
    createHmac('sha512', secret).update(`${what} ${mechanism} ${user}`).digest();
  const chosen = shapes.length === 0 ? undefined : shapes[derive('shape').readUInt32BE() % shapes.length];
  const { iterations, saltBytes } = chosen ?? USUAL_SHAPE;
  const salt = Buffer.concat(
    Array.from({ length: Math.ceil(saltBytes / 64) }, (_, i) => derive(`salt ${i}`)),
  );
  return {
    algorithm: mechanism,
    iterations,
    salt: salt.subarray(0, saltBytes).toString('base64'),
    storedKey: derive('stored').subarray(0, scramKeyBytes(mechanism)).toString('base64'),
    serverKey: derive('server').subarray(0, scramKeyBytes(mechanism)).toString('base64'),
  };
}
