import type { Scheduler, Timer } from './scheduler.ts';

/** The longest delay of the timer: the clock may be set meanwhile. A caller that is called too early sets it again. */
const LONGEST_MS = 60 * 60 * 1000;

/** One timer for many deadlines: it fires at the earliest one that was set since it last fired. */
export class DeadlineTimer {
  readonly #scheduler: Scheduler;
  readonly #fire: () => void;
  #timer: Timer | null = null;
  #dueMs = Number.POSITIVE_INFINITY;

  constructor(scheduler: Scheduler, fire: () => void) {
    this.#scheduler = scheduler;
    this.#fire = fire;
  }

  /**
   * Both are milliseconds since the epoch, by the clock that the caller compares its deadlines with. Infinity is no
   * deadline.
   */
  setFor(dueMs: number, nowMs: number): void {
    if (dueMs >= this.#dueMs) return;
    this.#timer?.cancel();
    this.#dueMs = dueMs;
    const delayMs = Math.min(LONGEST_MS, Math.max(1, Math.ceil(dueMs - nowMs)));
    this.#timer = this.#scheduler.after(delayMs, () => {
      this.#timer = null;
      this.#dueMs = Number.POSITIVE_INFINITY;
      this.#fire();
    });
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#dueMs = Number.POSITIVE_INFINITY;
  }
}
