import { hash } from 'node:crypto';

/** Addresses whose hashes lead to the same set share it: of each set the one that has connected longest ago is forgotten. */
const SETS = 8192;
const WAYS = 8;
/** Of time: 10 µs. In 44 bits there are five years of them, counted from the start of the machine. */
const UNITS_PER_MS = 100;
const TIME_BITS = 44n;
const TIME_MASK = (1n << TIME_BITS) - 1n;
const TAG_BITS = 20;
/** The key, before the sets. */
const KEY_WORDS = 2;

/**
 * How often addresses connect, to all shards together: the generic cell rate algorithm, of which the state is one number, the
 * time at which nothing of what was used is left. So it is one word for each address, with 20 bits of the address's hash, and
 * is changed by compare-and-exchange:
 *
 *     20 bits of the hash | 44 bits: time in units of 10 µs
 */
export class SharedAddressRates {
  readonly #words: BigUint64Array;
  readonly #key: string;
  readonly #nowMs: () => number;

  static memory(): SharedArrayBuffer {
    const bytes = (KEY_WORDS + SETS * WAYS) * BigUint64Array.BYTES_PER_ELEMENT;
    const memory = new SharedArrayBuffer(bytes);
    const key = new Uint8Array(KEY_WORDS * BigUint64Array.BYTES_PER_ELEMENT);
    crypto.getRandomValues(key);
    new Uint8Array(memory).set(key);
    return memory;
  }

  /** `nowMs` has to be the same clock in all threads. */
  constructor(memory: SharedArrayBuffer, nowMs: () => number = processMs) {
    this.#words = new BigUint64Array(memory);
    this.#key = this.#words.subarray(0, KEY_WORDS).join('-');
    this.#nowMs = nowMs;
  }

  /** Uses `cost` of what the address has, unless it has less: then nothing, and false. `perSecond` comes back, up to `most`. */
  use(address: string, cost: number, perSecond: number, most: number): boolean {
    return this.#change(address, cost, perSecond, most, false);
  }

  /** Uses `cost`, or what there is. */
  useUp(address: string, cost: number, perSecond: number, most: number): void {
    this.#change(address, cost, perSecond, most, true);
  }

  #change(address: string, cost: number, perSecond: number, most: number, isClamped: boolean): boolean {
    const bytes = hash('sha256', `${this.#key} ${address}`, 'buffer');
    const first = KEY_WORDS + (bytes.readUInt32LE(0) % SETS) * WAYS;
    const tag = BigInt(bytes.readUInt32LE(4) >>> (32 - TAG_BITS));
    const unitsEach = (1000 * UNITS_PER_MS) / perSecond;
    for (;;) {
      const at = this.#wordOf(first, tag);
      const before = Atomics.load(this.#words, at);
      const now = Math.floor(this.#nowMs() * UNITS_PER_MS);
      const emptyAt = before >> TIME_BITS === tag ? Math.max(now, Number(before & TIME_MASK)) : now;
      const latest = now + Math.ceil(most * unitsEach);
      let after = emptyAt + Math.max(1, Math.round(cost * unitsEach));
      if (after > latest) {
        if (!isClamped) return false;
        after = latest;
      }
      const word = (tag << TIME_BITS) | BigInt(after);
      if (Atomics.compareExchange(this.#words, at, before, word) === before) return true;
    }
  }

  /** Where the address is; where it is not, the word of whoever was empty first. */
  #wordOf(first: number, tag: bigint): number {
    let oldest = first;
    let oldestTime = TIME_MASK;
    for (let at = first; at < first + WAYS; at++) {
      const word = Atomics.load(this.#words, at);
      if (word >> TIME_BITS === tag) return at;
      const time = word & TIME_MASK;
      if (time < oldestTime) [oldest, oldestTime] = [at, time];
    }
    return oldest;
  }
}

/** The system's monotonic clock; `performance.now` begins anew in each thread. */
function processMs(): number {
  const [seconds, nanoseconds] = process.hrtime();
  return seconds * 1000 + nanoseconds / 1e6;
}
