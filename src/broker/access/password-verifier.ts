import { hash, randomBytes, timingSafeEqual } from 'node:crypto';
import { addressKey } from '../budget/address-key.ts';
import { FairTurns } from '../budget/fair-turns.ts';
import { BrokerError } from '../errors.ts';
import { derive, PASSWORD_BYTES_MAX, type PasswordHash } from './password.ts';
import { type ScramCredential, storedKeyOf } from './scram.ts';

/** What a password in clear can be held against. */
export type PasswordCheck = PasswordHash | ScramCredential;

/** Each takes a core for 50 ms; more at a time would keep the disk's threads from the journal. */
const RUNNING_MAX = 2;
/** Who waits keeps a connection, so that this bounds memory and not time: each is heard in its turn. */
const WAITING_MAX = 8192;
const KNOWN_MAX = 4096;
/** The users of one address have their turns one after the other, in so many groups. */
const LANES = 16;

/** Who asks: the names as they were given, whether or not there is such a user. */
export interface Asking {
  readonly address: string;
  readonly user: string;
  /** Nobody wants the answer any more. */
  readonly isGone?: () => boolean;
}

interface Asked {
  readonly answer: Promise<boolean>;
  readonly askers: Asking[];
}

const NOBODY: Asking = { address: '', user: '' };

/**
 * Checks passwords, few at a time, and in turns of the addresses that they come from and of the users there: whoever sends
 * wrong ones without end waits for himself. Those that were checked lately are remembered, so that clients that all come
 * back at once do not wait for each other, and so that one which tries the same wrong one again and again costs nothing: as a
 * hash, under a key that this process made up, of the password together with the user and what it was checked against. Nobody
 * sees these hashes, so a key in front does as well as an HMAC, for a tenth of its time. Whether these belong together does
 * not change, whatever becomes of the user.
 */
export class PasswordVerifier {
  readonly #key = randomBytes(32).toString('base64');
  /** In the order of their last use. */
  readonly #right = new Set<string>();
  readonly #wrong = new Set<string>();
  /** Of those that were found right again: mostly the next one is the same. */
  #lastRight = '';
  /** Those who ask for the same while it is computed wait for the one answer. */
  readonly #asked = new Map<string, Asked>();
  readonly #turns: FairTurns;

  constructor(waitingMax = WAITING_MAX) {
    this.#turns = new FairTurns({ runningMax: RUNNING_MAX, waitingMax });
  }

  /** So many threads of the process check passwords, each for itself, on one pool of threads and the same cores. */
  shareWith(threads: number): void {
    this.#turns.runningMax = Math.max(1, Math.floor(RUNNING_MAX / threads));
  }

  /** @throws BrokerError resource-error if too many wait, and most of them come from there */
  async verify(password: string, expected: PasswordCheck, asking: Asking = NOBODY): Promise<boolean> {
    if (Buffer.byteLength(password) > PASSWORD_BYTES_MAX) return false;
    // With the name, so that a wrong password is as new for a user that is there as for one that is not.
    const fact = this.#fact(password, expected, asking.user);
    if (fact === this.#lastRight || isIn(this.#right, fact)) {
      this.#lastRight = fact;
      return true;
    }
    if (isIn(this.#wrong, fact)) return false;
    const asked = this.#asked.get(fact);
    if (asked !== undefined) {
      asked.askers.push(asking);
      return await asked.answer;
    }
    const askers = [asking];
    const answer = this.#compute(password, expected, askers);
    this.#asked.set(fact, { answer, askers });
    try {
      const isRight = await answer;
      remember(isRight ? this.#right : this.#wrong, fact);
      return isRight;
    } finally {
      this.#asked.delete(fact);
    }
  }

  async #compute(password: string, expected: PasswordCheck, askers: readonly Asking[]): Promise<boolean> {
    const done = await this.#turn(askers[0] ?? NOBODY);
    try {
      if (askers.every(({ isGone }) => isGone?.() === true))
        throw new BrokerError('resource-error', 'too late');
      const found =
        expected.algorithm === 'scrypt'
          ? await derive(password, expected)
          : await storedKeyOf(password, expected);
      return timingSafeEqual(found, Buffer.from(secretOf(expected), 'base64'));
    } finally {
      done();
    }
  }

  /** Resolves, when it is the turn of who asks, with what ends it. */
  #turn({ address, user }: Asking): Promise<() => void> {
    return new Promise((resolve, reject) => {
      this.#turns.enter(addressKey(address), this.#laneOf(user), {
        begin: resolve,
        refuse: () => reject(new BrokerError('resource-error', 'too many logins at once, try again later')),
      });
    });
  }

  /** Under the key: nobody can choose names that share the lane of another. */
  #laneOf(user: string): number {
    return hash('sha256', `${this.#key} ${user}`, 'buffer')[0] % LANES;
  }

  #fact(password: string, expected: PasswordCheck, user: string): string {
    const checked = `${expected.salt} ${secretOf(expected)} ${user.length} ${user}`;
    return hash('sha256', `${this.#key} ${checked} ${password}`, 'base64');
  }
}

/** Whether the fact is among those that are remembered; it has been used last then. */
function isIn(facts: Set<string>, fact: string): boolean {
  if (!facts.delete(fact)) return false;
  facts.add(fact);
  return true;
}

function remember(facts: Set<string>, fact: string): void {
  facts.add(fact);
  if (facts.size > KNOWN_MAX) facts.delete(facts.values().next().value as string);
}

function secretOf(expected: PasswordCheck): string {
  return expected.algorithm === 'scrypt' ? expected.hash : expected.storedKey;
}

/** One for the process: what it remembers holds for every broker, and the processor is the same for all. */
export const passwords = new PasswordVerifier();
