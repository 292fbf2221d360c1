import { createHmac, randomBytes } from 'node:crypto';
import { NO_PASSWORD, type PasswordHash } from './password.ts';
import type { PasswordCheck } from './password-verifier.ts';
import { SCRAM_ITERATIONS_MAX, type ScramCredential } from './scram.ts';

/** Whether the password is the one that the other was made of. */
export type Verify = (password: string, expected: PasswordCheck) => Promise<boolean>;

const secret = randomBytes(32);

/**
 * Whether a user with these may come in with the password: `expected` is null for a name that is nobody's, `mayCome` says
 * whether the user may connect from where the client is. Whoever is refused was refused after the same work: one hash, and
 * one derivation for SCRAM with the most iterations. So time does not tell which users there are, which of them have only
 * credentials for SCRAM, and whether a password was right that does not open from there.
 */
export async function mayLogIn(
  verify: Verify,
  name: string,
  password: string,
  expected: PasswordCheck | null,
  mayCome: boolean,
): Promise<boolean> {
  const isRight = expected !== null && password !== '' && (await verify(password, expected));
  if (isRight && mayCome) return true;
  if (!isHash(expected)) await verify(password, hashOfNobody(name));
  const iterations = SCRAM_ITERATIONS_MAX - iterationsOf(expected);
  if (iterations > 0) await verify(password, scramOfNobody(name, iterations));
  return false;
}

/** The password of guest, which everybody knows, has a hash that costs nothing. */
function isHash(expected: PasswordCheck | null): boolean {
  return expected?.algorithm === 'scrypt' && expected.n >= NO_PASSWORD.n;
}

function iterationsOf(expected: PasswordCheck | null): number {
  return expected === null || expected.algorithm === 'scrypt' ? 0 : expected.iterations;
}

/** A hash that no password has; for each name another one, as those of users have salts of their own. */
function hashOfNobody(name: string): PasswordHash {
  return { ...NO_PASSWORD, salt: saltOf(name) };
}

function scramOfNobody(name: string, iterations: number): ScramCredential {
  const none = Buffer.alloc(32).toString('base64');
  return { algorithm: 'SCRAM-SHA-256', iterations, salt: saltOf(name), storedKey: none, serverKey: none };
}

function saltOf(name: string): string {
  return createHmac('sha256', secret).update(name).digest().subarray(0, 16).toString('base64');
}
