import type { Clock } from '../../base/clock.ts';
import { DeadlineTimer } from '../../base/deadline-timer.ts';
import type { Scheduler } from '../../base/scheduler.ts';

/** x-expires: tells when a queue was not used for so long. One with consumers is in use all the time. */
export class QueueExpiry {
  readonly #clock: Clock;
  readonly #timer: DeadlineTimer;
  #limitMs: number | null = null;
  #lastUseMs: number;
  #isUsed = false;

  constructor(clock: Clock, scheduler: Scheduler, onIdle: () => void) {
    this.#clock = clock;
    this.#lastUseMs = clock.now();
    this.#timer = new DeadlineTimer(scheduler, () => {
      if (this.#limitMs === null || this.#isUsed) return;
      if (clock.now() < this.#lastUseMs + this.#limitMs) this.#set();
      else onIdle();
    });
  }

  /** `limitMs` null: the queue does not expire. */
  configure(limitMs: number | null, isUsed: boolean): void {
    // Time counts from when the limit is set: before, nobody noted when the queue was used.
    if (limitMs !== this.#limitMs) this.#lastUseMs = this.#clock.now();
    this.#limitMs = limitMs;
    this.#isUsed = isUsed;
    this.#timer.stop();
    this.#set();
  }

  /** The queue was used. `isUsed`: it has consumers. */
  touch(isUsed: boolean): void {
    if (this.#limitMs === null) return;
    this.#lastUseMs = this.#clock.now();
    this.#isUsed = isUsed;
    this.#set();
  }

  stop(): void {
    this.#limitMs = null;
    this.#timer.stop();
  }

  #set(): void {
    if (this.#limitMs !== null && !this.#isUsed) {
      this.#timer.setFor(this.#lastUseMs + this.#limitMs, this.#clock.now());
    }
  }
}
