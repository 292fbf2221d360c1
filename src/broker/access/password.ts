import { randomBytes, scrypt } from 'node:crypto';

/** A password as it is kept: nobody can read it back, and to guess it costs time and memory for each guess (RFC 7914). */
export interface PasswordHash {
  readonly algorithm: 'scrypt';
  /** CPU and memory cost, block size, parallelism: kept with each hash, so that they can be raised for new ones. */
  readonly n: number;
  readonly r: number;
  readonly p: number;
  /** Base64. */
  readonly salt: string;
  readonly hash: string;
}

/** About 50 ms and 16 MiB for each guess. */
const COST = { n: 2 ** 14, r: 8, p: 1 } as const;
const SALT_BYTES = 16;
const HASH_BYTES = 32;
/** Above what `n`, `r` and `p` take: scrypt needs 128 · n · r bytes. */
const MEMORY_BYTES_MAX = 256 * 1024 * 1024;

/** Longer ones are refused: nobody types them, and they cost time. */
export const PASSWORD_BYTES_MAX = 1024;

/** The password `guest`. Everybody knows it: neither a salt of its own nor a cost would protect anything. */
export const GUEST_PASSWORD: PasswordHash = {
  algorithm: 'scrypt',
  ...COST,
  n: 16,
  salt: 'Z3Vlc3QgaXMgbm8gc2VjcmV0',
  hash: 'vMdjcsNt53MH6SkM9CoTSRUcE7Fq7N8ItYKaMe7d2Hk=',
};

/** For who has none: to find out that takes as long as a wrong password does. */
export const NO_PASSWORD: PasswordHash = {
  algorithm: 'scrypt',
  ...COST,
  salt: '',
  hash: Buffer.alloc(HASH_BYTES).toString('base64'),
};

export async function hashPassword(password: string): Promise<PasswordHash> {
  const salt = randomBytes(SALT_BYTES);
  const hash = await derive(password, { algorithm: 'scrypt', ...COST, salt: salt.toString('base64') });
  return { algorithm: 'scrypt', ...COST, salt: salt.toString('base64'), hash: hash.toString('base64') };
}

/** Computed in a thread of its own: the event loop goes on. */
export function derive(password: string, { n, r, p, salt }: Omit<PasswordHash, 'hash'>): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const options = { N: n, r, p, maxmem: MEMORY_BYTES_MAX };
    scrypt(password, Buffer.from(salt, 'base64'), HASH_BYTES, options, (error, key) => {
      if (error === null) resolve(key);
      else reject(error);
    });
  });
}
