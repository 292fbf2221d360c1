import type { Clock } from '../base/clock.ts';
import type { Scheduler, Timer } from '../base/scheduler.ts';

/** Timers cannot be set for longer; who is woken too early sets it again. */
const LONGEST_MS = 60 * 60 * 1000;

/** One timer that is set again and again: it rings at the earliest time that was asked for since it last rang. */
export class AlarmClock {
  readonly #clock: Clock;
  readonly #scheduler: Scheduler;
  readonly #ring: () => void;
  #timer: Timer | null = null;
  #dueMs = Number.POSITIVE_INFINITY;

  constructor(clock: Clock, scheduler: Scheduler, ring: () => void) {
    this.#clock = clock;
    this.#scheduler = scheduler;
    this.#ring = ring;
  }

  /** `dueMs` is milliseconds since the epoch; Infinity asks for nothing. */
  setFor(dueMs: number): void {
    if (dueMs >= this.#dueMs) return;
    this.#timer?.cancel();
    this.#dueMs = dueMs;
    const delayMs = Math.min(LONGEST_MS, Math.max(0, Math.ceil(dueMs - this.#clock.now())));
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
