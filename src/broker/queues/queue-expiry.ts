import type { Clock } from '../../base/clock.ts';
import { DeadlineTimer } from '../../base/deadline-timer.ts';
import type { Scheduler } from '../../base/scheduler.ts';

/** Tells when something was not used for as long as it may be. What has users is in use all the time. */
export class QueueExpiry {
  readonly #clock: Clock;
  readonly #alarm: DeadlineTimer;
  #limitMs: number | null = null;
  #lastUseMs: number;
  #isUsed = false;

  constructor(clock: Clock, scheduler: Scheduler, onIdle: () => void) {
    this.#clock = clock;
    this.#lastUseMs = clock.now();
    this.#alarm = new DeadlineTimer(scheduler, () => {
      if (this.#limitMs === null || this.#isUsed) return;
      if (clock.now() < this.#lastUseMs + this.#limitMs) this.#set();
      else onIdle();
    });
  }

  /** `limitMs` null: it may be unused for as long as it likes. */
  configure(limitMs: number | null, isUsed: boolean): void {
    // Without a limit nobody noted when it was used; and what was in order until now is not held against it.
    if (limitMs !== this.#limitMs) this.#lastUseMs = this.#clock.now();
    this.#limitMs = limitMs;
    this.#isUsed = isUsed;
    this.#alarm.stop();
    this.#set();
  }

  touch(isUsed: boolean): void {
    if (this.#limitMs === null) return;
    this.#lastUseMs = this.#clock.now();
    this.#isUsed = isUsed;
    this.#set();
  }

  stop(): void {
    this.#limitMs = null;
    this.#alarm.stop();
  }

  #set(): void {
    if (this.#limitMs !== null && !this.#isUsed) {
      this.#alarm.setFor(this.#lastUseMs + this.#limitMs, this.#clock.now());
    }
  }
}
