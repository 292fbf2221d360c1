import type { Clock } from '../../../../src/base/clock.ts';
import type { Scheduler, Timer } from '../../../../src/base/scheduler.ts';

interface Waiting {
  readonly atMs: number;
  readonly run: () => void;
}

/** Time that goes on when it is told to; timers ring at their time, in order. */
export class ManualTime implements Clock, Scheduler {
  nowMs = 1_700_000_000_000;
  #timers: Waiting[] = [];

  now(): number {
    return this.nowMs;
  }

  monotonicMs(): number {
    return this.nowMs;
  }

  soon(run: () => void): void {
    this.after(0, run);
  }

  after(ms: number, run: () => void): Timer {
    const waiting = { atMs: this.nowMs + ms, run };
    this.#timers.push(waiting);
    return { cancel: () => void this.#timers.splice(this.#timers.indexOf(waiting) >>> 0, 1) };
  }

  every(): Timer {
    throw new Error('nothing here comes again and again');
  }

  forget(): void {
    this.#timers = [];
  }

  /** `each` is called at every instant at which something rang, and at the end. */
  advance(ms: number, each: () => void = () => undefined): void {
    const endMs = this.nowMs + ms;
    for (;;) {
      const due = this.#timers.filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.#timers.splice(this.#timers.indexOf(due), 1);
      this.nowMs = Math.max(this.nowMs, due.atMs);
      due.run();
      each();
    }
    this.nowMs = endMs;
    each();
  }
}
