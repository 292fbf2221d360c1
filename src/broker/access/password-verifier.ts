import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import { BrokerError } from '../errors.ts';
import { derive, PASSWORD_BYTES_MAX, type PasswordHash } from './password.ts';
import { type ScramCredential, storedKeyOf } from './scram.ts';

/** What a password in clear can be held against. */
export type PasswordCheck = PasswordHash | ScramCredential;

/** Each takes a core for 50 ms; more at a time would keep the disk's threads from the journal. */
const RUNNING_MAX = 2;
/** As many as are through before the handshakes that wait for them time out. */
const WAITING_MAX = 256;
const KNOWN_MAX = 4096;

/**
 * Checks passwords, few at a time. Those that were right lately are remembered, so that clients that all come back at
 * once do not wait for each other: as a hash, under a key that this process made up, of the password together with
 * what it was checked against. Nobody sees these hashes, so a key in front does as well as an HMAC, for a tenth of its time. That the two belong together stays true whatever becomes of the user.
 */
export class PasswordVerifier {
  readonly #key = randomBytes(32).toString('base64');
  /** In the order of their last use. */
  readonly #known = new Set<string>();
  /** Those who ask for the same while it is computed wait for the one answer. */
  readonly #asked = new Map<string, Promise<boolean>>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  /** @throws BrokerError resource-error if too many wait already */
  async verify(password: string, expected: PasswordCheck): Promise<boolean> {
    if (Buffer.byteLength(password) > PASSWORD_BYTES_MAX) return false;
    const fact = this.#fact(password, expected);
    if (this.#known.delete(fact)) {
      this.#known.add(fact);
      return true;
    }
    const asked = this.#asked.get(fact);
    if (asked !== undefined) return await asked;
    const answer = this.#compute(password, expected);
    this.#asked.set(fact, answer);
    try {
      if (await answer) this.#remember(fact);
      return await answer;
    } finally {
      this.#asked.delete(fact);
    }
  }

  async #compute(password: string, expected: PasswordCheck): Promise<boolean> {
    await this.#acquire();
    try {
      const found =
        expected.algorithm === 'scrypt'
          ? await derive(password, expected)
          : await storedKeyOf(password, expected);
      return timingSafeEqual(found, Buffer.from(secretOf(expected), 'base64'));
    } finally {
      this.#release();
    }
  }

  #remember(fact: string): void {
    this.#known.add(fact);
    if (this.#known.size > KNOWN_MAX) this.#known.delete(this.#known.values().next().value as string);
  }

  #fact(password: string, expected: PasswordCheck): string {
    return hash('sha256', `${this.#key} ${expected.salt} ${secretOf(expected)} ${password}`, 'base64');
  }

  async #acquire(): Promise<void> {
    if (this.#running < RUNNING_MAX) {
      this.#running++;
      return;
    }
    if (this.#waiting.length >= WAITING_MAX) {
      throw new BrokerError('resource-error', 'too many logins at once, try again later');
    }
    // Whoever is done hands its place on.
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  #release(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#running--;
    else next();
  }
}

function secretOf(expected: PasswordCheck): string {
  return expected.algorithm === 'scrypt' ? expected.hash : expected.storedKey;
}

/** One for the process: what it remembers holds for every broker, and the processor is the same for all. */
export const passwords = new PasswordVerifier();
