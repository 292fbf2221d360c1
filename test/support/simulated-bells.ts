import type { Scheduler } from '../../src/base/scheduler.ts';
import type { BellWaits } from '../../src/broker/doors/wake-up.ts';

/** Bells of shards in one thread: who is woken goes on when its scheduler says so, in an order that repeats. */
export class SimulatedBells {
  /** Those that sleep, by the word of their bell. */
  readonly #sleeping = new Map<number, () => void>();

  /** For the shard with this scheduler. */
  of(scheduler: Scheduler): BellWaits {
    return {
      wait: (words, word, value, woken) => {
        if (Atomics.load(words, word) !== value) return false;
        this.#sleeping.set(word, () => scheduler.soon(woken));
        return true;
      },
      notify: (_words, word) => {
        const wake = this.#sleeping.get(word);
        this.#sleeping.delete(word);
        wake?.();
      },
    };
  }
}
