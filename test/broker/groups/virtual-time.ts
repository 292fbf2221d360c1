import type { Clock } from '../../../src/base/clock.ts';
import type { Scheduler, Timer } from '../../../src/base/scheduler.ts';

interface Waiting {
  dueMs: number;
  readonly everyMs: number;
  readonly run: () => void;
}

/** Time that stands still until it is told to go on. */
export class VirtualTime implements Clock, Scheduler {
  nowMs = 0;
  #waiting: Waiting[] = [];

  now(): number {
    return 1_700_000_000_000 + this.nowMs;
  }

  monotonicMs(): number {
    return this.nowMs;
  }

  soon(run: () => void): void {
    this.after(0, run);
  }

  after(ms: number, run: () => void): Timer {
    return this.#wait({ dueMs: this.nowMs + ms, everyMs: 0, run });
  }

  every(ms: number, run: () => void): Timer {
    return this.#wait({ dueMs: this.nowMs + ms, everyMs: ms, run });
  }

  /** Goes on by so many milliseconds, and does what is due on the way. */
  pass(ms: number): void {
    const end = this.nowMs + ms;
    for (;;) {
      const next = this.#waiting.filter(({ dueMs }) => dueMs <= end).sort((a, b) => a.dueMs - b.dueMs)[0];
      if (next === undefined) break;
      this.nowMs = Math.max(this.nowMs, next.dueMs);
      if (next.everyMs > 0) next.dueMs += next.everyMs;
      else this.#waiting.splice(this.#waiting.indexOf(next), 1);
      next.run();
    }
    this.nowMs = end;
  }

  #wait(waiting: Waiting): Timer {
    this.#waiting.push(waiting);
    return {
      cancel: () => {
        this.#waiting = this.#waiting.filter((each) => each !== waiting);
      },
    };
  }
}
