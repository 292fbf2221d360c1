import type { Scheduler, Timer } from './scheduler.ts';

/** Timers cannot be set for longer; who is woken too early sets it again. */
const LONGEST_MS = 60 * 60 * 1000;

/** One timer that is set again and again: it rings at the earliest time that was asked for since it last rang. */
export class DeadlineTimer {
  readonly #scheduler: Scheduler;
  readonly #ring: () => void;
  #timer: Timer | null = null;
  #dueMs = Number.POSITIVE_INFINITY;

  constructor(scheduler: Scheduler, ring: () => void) {
    this.#scheduler = scheduler;
    this.#ring = ring;
  }

  /**
   * Both are milliseconds since the epoch, by the same clock: that by which the caller will judge whether it is time.
   * Infinity asks for nothing.
   */
  setFor(dueMs: number, nowMs: number): void {
    if (dueMs >= this.#dueMs) return;
    this.#timer?.cancel();
    this.#dueMs = dueMs;
    const delayMs = Math.min(LONGEST_MS, Math.max(1, Math.ceil(dueMs - nowMs)));
    this.#timer = this.#scheduler.after(delayMs, () => {
      this.#timer = null;
      this.#dueMs = Number.POSITIVE_INFINITY;
      this.#ring();
    });
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#dueMs = Number.POSITIVE_INFINITY;
  }
}
