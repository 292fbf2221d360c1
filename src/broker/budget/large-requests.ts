import type { Counter } from '../../base/counter.ts';
import { ALONE, type CountedTogether } from './counted-together.ts';

/** Bytes of large requests that are decoded and handled at a time: decoded they are some ten times as large. */
const BYTES_MAX = 32 * 1024 * 1024;
/** Of what the process may take before publishers are blocked: a third of that, decoded. */
const MEMORY_SHARE = 1 / 30;

interface Waiting {
  readonly bytes: number;
  begin(): void;
}

/**
 * Large requests of all clients, over all protocols, take turns: what they are decoded to is memory, too. One that does
 * not fit waits, with its bytes alone. Users have their turns one after the other: however many wait of one of them, the
 * first of another one is next.
 *
 * Shards count together. Nobody is woken by what ends in another shard: in each one request may always go on, and those that
 * wait begin when it ends.
 */
export class LargeRequests {
  readonly #bytesMax: number;
  readonly #bytesOfAll: Counter;
  #bytes = 0;
  /** The user whose turn is next first. */
  readonly #waiting = new Map<string, Waiting[]>();

  constructor(bytesMax: number, together: CountedTogether = ALONE) {
    this.#bytesMax = bytesMax;
    this.#bytesOfAll = together.counter('large-requests');
  }

  /** `memoryBytes`: where memory is short. */
  static within(memoryBytes = Number.POSITIVE_INFINITY, together: CountedTogether = ALONE): LargeRequests {
    return new LargeRequests(Math.min(BYTES_MAX, memoryBytes * MEMORY_SHARE), together);
  }

  /** Null if the request may begin at once, otherwise a promise of that. To be followed by `leave`. */
  enter(bytes: number, user: string): Promise<void> | null {
    if (this.#waiting.size === 0 && this.#hasRoom(bytes)) {
      this.#count(bytes);
      return null;
    }
    return new Promise((begin) => {
      const waiting = { bytes, begin };
      const others = this.#waiting.get(user);
      if (others === undefined) this.#waiting.set(user, [waiting]);
      else others.push(waiting);
    });
  }

  leave(bytes: number): void {
    this.#count(-bytes);
    for (;;) {
      const [next] = this.#waiting;
      if (next === undefined || !this.#hasRoom(next[1][0].bytes)) return;
      const [user, requests] = next;
      const { bytes, begin } = requests.shift() as Waiting;
      this.#waiting.delete(user);
      if (requests.length > 0) this.#waiting.set(user, requests);
      this.#count(bytes);
      begin();
    }
  }

  /** One alone may be larger than all together. */
  #hasRoom(bytes: number): boolean {
    return this.#bytes === 0 || this.#bytes + this.#bytesOfAll.others + bytes <= this.#bytesMax;
  }

  #count(difference: number): void {
    this.#bytes += difference;
    this.#bytesOfAll.set(this.#bytes);
  }
}
