import type { Clock } from '../../src/base/clock.ts';

/** A slice of long works, and what one of them has of it, is some of these (`src/base/turn-time.ts`). */
export const STEP_MS = 1;

/**
 * A clock that goes on by `stepMs` whenever it is read, and else when a test adds to `ms`. Long works read it once in so many
 * steps: with `STEP_MS` a slice of them ends after the same number of steps on every machine, however fast it is. Without steps
 * time stands still, and what a rate comes to is exact.
 */
export class DrivenClock implements Clock {
  readonly #stepMs: number;
  readonly #startedAt = Date.now();
  ms = 0;

  constructor(stepMs: number) {
    this.#stepMs = stepMs;
  }

  now(): number {
    return this.#startedAt + this.ms;
  }

  monotonicMs(): number {
    this.ms += this.#stepMs;
    return this.ms;
  }
}
