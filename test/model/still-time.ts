import type { Clock } from '../../src/base/clock.ts';
import type { Scheduler, Timer } from '../../src/base/scheduler.ts';
import { microtasks } from '../crash/simulated-time.ts';

interface Waiting {
  readonly everyMs: number;
  readonly run: () => void;
  atMs: number;
}

export interface StillThread extends Clock, Scheduler {
  /** What is to be done there. */
  readonly turns: (() => void)[];
}

/** A broker that does not come to rest goes round in circles. */
const STEPS_MAX = 20_000;

/**
 * Time that stands still until it is told to go on, so that each operation of a test happens at one instant, with all
 * that follows from it. What the disk does takes no time, but comes to its end in an order that the random numbers choose.
 */
export class StillTime implements Clock, Scheduler {
  nowMs = 0;
  readonly #random: () => number;
  /** What is to be done soon, by thread. */
  readonly #turns: (() => void)[][] = [[]];
  #operations: (() => void)[] = [];
  #timers: Waiting[] = [];

  constructor(random: () => number) {
    this.#random = random;
  }

  now(): number {
    return 1_700_000_000_000 + this.nowMs;
  }

  monotonicMs(): number {
    return this.nowMs;
  }

  soon(run: () => void): void {
    this.#turns[0].push(run);
  }

  /** The event loop of one more thread: what is to be done soon there is in order, and comes in any order with that of others. */
  thread(): StillThread {
    const turns: (() => void)[] = [];
    this.#turns.push(turns);
    return {
      turns,
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

  /** The process is gone, and with it all that it waited for. */
  async forget(): Promise<void> {
    for (let i = 0; i < 2; i++) {
      for (const turns of this.#turns) turns.length = 0;
      // The threads are gone, too.
      this.#turns.length = 1;
      this.#operations = [];
      this.#timers = [];
      await microtasks();
    }
  }

  /** Everything happens that happens at this instant. */
  async rest(): Promise<void> {
    await microtasks();
    let steps = 0;
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      if (++steps > STEPS_MAX) throw new Error('the broker does not come to rest');
      next();
      await microtasks();
    }
  }

  /** So many of the things that happen at this instant, as far as there are any. */
  async steps(count: number): Promise<void> {
    while (count-- > 0) {
      this.#next()?.();
      await microtasks();
    }
  }

  /** Only the disk goes on, until it has done this. */
  async disk<T>(promise: Promise<T>): Promise<T> {
    return this.#until(promise, () => this.#operation());
  }

  /** As `disk`, but that all threads go on, too: this one as long as `mayGoOn` says so. */
  async besides<T>(promise: Promise<T>, { turns: own }: StillThread, mayGoOn: () => boolean): Promise<T> {
    return this.#until(promise, () => this.#turn(mayGoOn() ? null : own) ?? this.#operation());
  }

  /** Nothing happens that is not needed for this to be done. Time passes only if all waits for it. */
  async until<T>(promise: Promise<T>): Promise<T> {
    return this.#until(promise, () => {
      const next = this.#next();
      if (next !== undefined) return next;
      const timer = this.#firstTimer();
      if (timer === undefined) return undefined;
      this.nowMs = timer.atMs;
      return this.#fire(timer);
    });
  }

  /** Time passes; at each instant at which something is to happen, it happens, and `rested` is called. */
  async pass(ms: number, moved: () => void, rested: () => void): Promise<void> {
    const end = this.nowMs + ms;
    for (;;) {
      const timer = this.#firstTimer();
      this.nowMs = timer === undefined ? end : Math.min(end, timer.atMs);
      moved();
      await this.rest();
      rested();
      if (this.nowMs === end) return;
    }
  }

  async #until<T>(promise: Promise<T>, next: () => (() => void) | undefined): Promise<T> {
    let isDone = false;
    const done = promise.finally(() => {
      isDone = true;
    });
    done.catch(() => undefined);
    await microtasks();
    for (let steps = 0; !isDone; steps++) {
      if (steps > STEPS_MAX) throw new Error('the broker does not come to an end');
      next()?.();
      await microtasks();
    }
    return done;
  }

  #next(): (() => void) | undefined {
    const timer = this.#firstTimer();
    if (timer !== undefined && timer.atMs <= this.nowMs) return this.#fire(timer);
    const isAnyTurn = this.#turns.some((turns) => turns.length > 0);
    if (isAnyTurn && (this.#operations.length === 0 || this.#random() < 0.5)) return this.#turn();
    return this.#operation();
  }

  #turn(except: (() => void)[] | null = null): (() => void) | undefined {
    const busy = this.#turns.filter((turns) => turns.length > 0 && turns !== except);
    const thread = busy.length <= 1 ? 0 : Math.floor(this.#random() * busy.length);
    return busy[thread]?.shift();
  }

  #operation(): (() => void) | undefined {
    if (this.#operations.length === 0) return undefined;
    return this.#operations.splice(Math.floor(this.#random() * this.#operations.length), 1)[0];
  }

  #firstTimer(): Waiting | undefined {
    let first: Waiting | undefined;
    for (const timer of this.#timers) if (first === undefined || timer.atMs < first.atMs) first = timer;
    return first;
  }

  #fire(timer: Waiting): () => void {
    if (timer.everyMs > 0) timer.atMs += timer.everyMs;
    else this.#timers.splice(this.#timers.indexOf(timer), 1);
    return timer.run;
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
