import type { Clock } from '../../src/base/clock.ts';
import type { Scheduler, Timer } from '../../src/base/scheduler.ts';

interface Waiting {
  readonly everyMs: number;
  readonly run: () => void;
  atMs: number;
}

/**
 * Time and the order of things, repeatable: disk operations complete in an order that the random numbers choose, what
 * was asked for `soon` runs in the order it was asked for, and timers run when their time has come. When nothing else
 * is left to do, time jumps to the next timer.
 */
export class SimulatedTime implements Clock, Scheduler {
  nowMs = 0;
  /** How far the wall clock was set. */
  #setMs = 0;
  /** What each operation of the disk takes. */
  operationMs = 0;
  readonly #random: () => number;
  /** What is to be done soon, by thread. */
  readonly #turns: (() => void)[][] = [[]];
  #operations: (() => void)[] = [];
  #timers: Waiting[] = [];

  constructor(random: () => number) {
    this.#random = random;
  }

  now(): number {
    return 1_700_000_000_000 + Math.floor(this.nowMs + this.#setMs);
  }

  /** Somebody sets the wall clock, forward or back; timers and the monotonic clock do not see it. */
  setWallClock(byMs: number): void {
    this.#setMs += byMs;
  }

  monotonicMs(): number {
    return this.nowMs;
  }

  soon(run: () => void): void {
    this.#turns[0].push(run);
  }

  /** The event loop of one more thread: what is to be done soon there is in order, and comes in any order with that of others. */
  thread(): Clock & Scheduler {
    const turns: (() => void)[] = [];
    this.#turns.push(turns);
    return {
      now: () => this.now(),
      monotonicMs: () => this.monotonicMs(),
      soon: (run) => void turns.push(run),
      after: (ms, run) => this.after(ms, run),
      every: (ms, run) => this.every(ms, run),
    };
  }

  after(ms: number, run: () => void): Timer {
    return this.#wait({ atMs: this.nowMs + ms, everyMs: 0, run });
  }

  every(ms: number, run: () => void): Timer {
    return this.#wait({ atMs: this.nowMs + ms, everyMs: ms, run });
  }

  /** The end of an operation of the disk. */
  operation(run: () => void): void {
    this.#operations.push(run);
  }

  /** Whether there is something to do before the next timer. */
  get isBusy(): boolean {
    return this.#operations.length > 0 || this.#turns.some((turns) => turns.length > 0);
  }

  /** The process is gone, and with it all that it waited for. */
  async forget(): Promise<void> {
    this.#clear();
    // Its promises may still have something to do; what they start then comes to nothing.
    await microtasks();
    this.#clear();
  }

  /** Runs one thing, and all that follows from it without waiting. */
  async step(): Promise<void> {
    this.nowMs += this.#random() * 0.2;
    this.#choose()?.();
    await microtasks();
  }

  /** Runs what there is until `done`, but not beyond so many milliseconds of simulated time. True if it was done. */
  async runUntil(done: () => boolean, limitMs: number): Promise<boolean> {
    const end = this.nowMs + limitMs;
    await microtasks();
    while (!done()) {
      if (this.nowMs > end) return false;
      await this.step();
    }
    return true;
  }

  /** What the promise gives, within so much simulated time. Throws what it throws, and what `fault` tells meanwhile: null is nothing. */
  async outcomeOf<T>(promise: Promise<T>, what: string, limitMs: number, fault: () => unknown): Promise<T> {
    let isDone = false;
    const done = (): void => {
      isDone = true;
    };
    promise.then(done, done);
    const wasDone = await this.runUntil(() => isDone || fault() !== null, limitMs);
    if (fault() !== null) throw fault();
    if (!wasDone) throw new Error(`${what} does not end`);
    return promise;
  }

  #clear(): void {
    for (const turns of this.#turns) turns.length = 0;
    // The threads are gone, too.
    this.#turns.length = 1;
    this.#operations = [];
    this.#timers = [];
  }

  #choose(): (() => void) | undefined {
    const timer = this.#nextTimer();
    if (timer !== null && (!this.isBusy || timer.atMs <= this.nowMs)) return this.#fire(timer);
    const busy = this.#turns.filter((turns) => turns.length > 0);
    if (busy.length > 0 && (this.#operations.length === 0 || this.#random() < 0.5)) {
      const thread = busy.length === 1 ? 0 : Math.floor(this.#random() * busy.length);
      return busy[thread].shift();
    }
    if (this.#operations.length === 0) return undefined;
    this.nowMs += this.operationMs;
    return this.#operations.splice(Math.floor(this.#random() * this.#operations.length), 1)[0];
  }

  #fire(timer: Waiting): () => void {
    this.nowMs = Math.max(this.nowMs, timer.atMs);
    if (timer.everyMs > 0) timer.atMs += timer.everyMs;
    else this.#timers.splice(this.#timers.indexOf(timer), 1);
    return timer.run;
  }

  #nextTimer(): Waiting | null {
    let next: Waiting | null = null;
    for (const timer of this.#timers) if (next === null || timer.atMs < next.atMs) next = timer;
    return next;
  }

  #wait(waiting: Waiting): Timer {
    this.#timers.push(waiting);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((timer) => timer !== waiting);
      },
    };
  }
}

/** Resolves when no promise has anything left to do. */
export function microtasks(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}
