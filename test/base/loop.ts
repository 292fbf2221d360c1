import type { Clock } from '../../src/base/clock.ts';
import type { Scheduler } from '../../src/base/scheduler.ts';
import { TurnTime, type Work } from '../../src/base/turn-time.ts';

/** A clock that a step moves by hand, and an event loop whose iterations are run by hand. */
export class Loop implements Clock {
  ms = 0;
  #soon: (() => void)[] = [];
  readonly time: TurnTime;

  constructor() {
    const soon: Scheduler['soon'] = (run) => void this.#soon.push(run);
    this.time = new TurnTime(this, { soon } as Scheduler);
  }

  now(): number {
    return this.ms;
  }

  monotonicMs(): number {
    return this.ms;
  }

  get isIdle(): boolean {
    return this.#soon.length === 0;
  }

  async iteration(): Promise<void> {
    const run = this.#soon;
    this.#soon = [];
    for (const each of run) each();
    for (let microtasks = 0; microtasks < 1000; microtasks++) await null;
  }

  /** Steps of so many milliseconds each; `log` gets the name at each step. */
  *steps(count: number, stepMs: number, name: string, log: string[]): Work<string> {
    for (let step = 0; step < count; step++) {
      this.ms += stepMs;
      log.push(name);
      yield;
    }
    return name;
  }
}
