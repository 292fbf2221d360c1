import { createHash, createHmac, pbkdf2, randomBytes } from 'node:crypto';

/** What a server keeps of a password for SCRAM (RFC 5802): enough to check a proof, not enough to make one. */
export type ScramMechanism = 'SCRAM-SHA-256' | 'SCRAM-SHA-512';

export interface ScramCredential {
  readonly algorithm: ScramMechanism;
  readonly iterations: number;
  /** These in base64. */
  readonly salt: string;
  readonly storedKey: string;
  readonly serverKey: string;
}

/** The one that was set last stands last: the password of the user is the one that it was made of. */
export type ScramCredentials = { readonly [mechanism in ScramMechanism]?: ScramCredential };

export const SCRAM_MECHANISMS: readonly ScramMechanism[] = ['SCRAM-SHA-256', 'SCRAM-SHA-512'];

/** Fewer are refused by clients (RFC 7677); each client computes as many when it connects. */
export const SCRAM_ITERATIONS_MIN = 4096;
export const SCRAM_ITERATIONS_MAX = 16_384;
const SALT_BYTES = 16;

const HASHES = { 'SCRAM-SHA-256': 'sha256', 'SCRAM-SHA-512': 'sha512' } as const;
const KEY_BYTES = { 'SCRAM-SHA-256': 32, 'SCRAM-SHA-512': 64 } as const;

/** The credentials of guest for the password that everybody knows: nothing of it needs protection. */
export const GUEST_SCRAM: ScramCredentials = {
  'SCRAM-SHA-256': {
    algorithm: 'SCRAM-SHA-256',
    iterations: SCRAM_ITERATIONS_MIN,
    salt: 'Z3Vlc3QgaXMgbm8gc2VjcmV0',
    storedKey: 'uecjZquPvKTgK7Icrzsi3sdqyri5sm7RkW7qj49sN1Y=',
    serverKey: 'wuL43OHUdvivqEHttUr33Ng6WZ6Q1zIi4Y2spG57JWE=',
  },
  'SCRAM-SHA-512': {
    algorithm: 'SCRAM-SHA-512',
    iterations: SCRAM_ITERATIONS_MIN,
    salt: 'Z3Vlc3QgaXMgbm8gc2VjcmV0',
    storedKey: 'tHFmGG5NT8i6SJscwmv11ZcIIHkJTsYav3BgWlPFMqPg0DU/So+cXwtrbLCACzwUfIsLHBcYI83QfXaZxrmDcQ==',
    serverKey: 'hzH4Ugy//1d463MCoWaH+7byQfj+AvwA1v2IkDQAebhYohVdDulfx+Tw/WWNgu8ZWMjRzjoJgtdWN3FOkdTEyQ==',
  },
};

export function isScramMechanism(name: string): name is ScramMechanism {
  return (SCRAM_MECHANISMS as readonly string[]).includes(name);
}

/** For all mechanisms, each with a salt of its own. Computed in threads: the event loop goes on. */
export async function scramCredentials(password: string): Promise<ScramCredentials> {
  const made: Partial<Record<ScramMechanism, ScramCredential>> = {};
  for (const mechanism of SCRAM_MECHANISMS) {
    const salt = randomBytes(SALT_BYTES);
    const salted = await saltedPassword(mechanism, password, salt, SCRAM_ITERATIONS_MAX);
    made[mechanism] = scramCredential(mechanism, salt, SCRAM_ITERATIONS_MAX, salted);
  }
  return made;
}

/** RFC 5802, 3: StoredKey = H(HMAC(SaltedPassword, "Client Key")), ServerKey = HMAC(SaltedPassword, "Server Key"). */
export function scramCredential(
  mechanism: ScramMechanism,
  salt: Uint8Array,
  iterations: number,
  salted: Uint8Array,
): ScramCredential {
  return {
    algorithm: mechanism,
    iterations,
    salt: Buffer.from(salt).toString('base64'),
    storedKey: scramHash(mechanism, scramHmac(mechanism, salted, 'Client Key')).toString('base64'),
    serverKey: scramHmac(mechanism, salted, 'Server Key').toString('base64'),
  };
}

/** The StoredKey that this password would have, to check a password that came in clear. */
export async function storedKeyOf(
  password: string,
  { algorithm, salt, iterations }: Omit<ScramCredential, 'storedKey' | 'serverKey'>,
): Promise<Buffer> {
  const salted = await saltedPassword(algorithm, password, Buffer.from(salt, 'base64'), iterations);
  return scramHash(algorithm, scramHmac(algorithm, salted, 'Client Key'));
}

/** How many bytes a SaltedPassword of the mechanism has. */
export function scramKeyBytes(mechanism: ScramMechanism): number {
  return KEY_BYTES[mechanism];
}

export function scramHash(mechanism: ScramMechanism, bytes: Uint8Array): Buffer {
  return createHash(HASHES[mechanism]).update(bytes).digest();
}

export function scramHmac(mechanism: ScramMechanism, key: Uint8Array, text: string): Buffer {
  return createHmac(HASHES[mechanism], key).update(text).digest();
}

/** Hi() of RFC 5802. The password as it is: the clients that there are do not normalise it (SASLprep) either. */
function saltedPassword(
  mechanism: ScramMechanism,
  password: string,
  salt: Uint8Array,
  iterations: number,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    pbkdf2(password, salt, iterations, KEY_BYTES[mechanism], HASHES[mechanism], (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}
