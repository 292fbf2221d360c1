import type { Clock } from './clock.ts';
import type { Scheduler } from './scheduler.ts';

/**
 * Long work as a generator. It yields wherever others may go on: `undefined` for "if it is time", a promise to wait for
 * it. What it returns is its result. What it does between two yields should take some microseconds.
 */
export type Work<T> = Generator<Promise<unknown> | undefined, T, void>;

/** Whose work it is, for who looks at what held the event loop. */
export interface WorkOwner {
  readonly protocol: string;
  readonly request: string;
  readonly user: string;
}

const NOBODY: WorkOwner = { protocol: '', request: 'background', user: '' };
/** What is shorter is not told. */
const STRETCH_MS_MIN = 1;

interface Waiting {
  readonly owner: WorkOwner;
  resume(): void;
}

/** What all long works of one event loop may take together in one iteration of it. */
const SLICE_MS = 1;
/** What one of them may take of that while others wait. */
const QUANTUM_MS = 0.5;
/** The clock is read once in so many steps. */
const STEPS_PER_READ = 8;
/** So many steps of a new work are free: what is small is done at once, however much waits. */
const STEPS_FREE = 16;

/**
 * The time of the event loop, shared by all works that grow with what a client sends, names or has made. A work that is
 * small runs at once, to its end. When the slice of this iteration is used up, works wait for the next one and take turns;
 * sockets, the journal and deliveries go on in between.
 *
 *     iteration  | sockets: small works, first steps of large ones | slice: waiting works, in turn | sockets …
 */
export class TurnTime {
  readonly #clock: Clock;
  readonly #scheduler: Scheduler;
  /** Told how long each turn of a work took, if it was a millisecond or more. */
  onStretch: ((ms: number, nowMs: number, owner: WorkOwner) => void) | null = null;
  #waiting: Waiting[] = [];
  #isScheduled = false;
  /** On the monotonic clock; Infinity until the first step that is counted in this iteration. */
  #sliceEndMs = Number.POSITIVE_INFINITY;
  #quantumEndMs = Number.POSITIVE_INFINITY;
  #stepsLeft = STEPS_PER_READ;
  readonly #pump = (): void => void this.#giveTurns();

  constructor(clock: Clock, scheduler: Scheduler) {
    this.#clock = clock;
    this.#scheduler = scheduler;
  }

  /** Works that wait for their turn. */
  get waitingCount(): number {
    return this.#waiting.length;
  }

  /** Counts one step of a long work: whether it has to wait for its next turn now. Costs next to nothing. */
  get isOver(): boolean {
    if (--this.#stepsLeft > 0) return false;
    this.#stepsLeft = STEPS_PER_READ;
    const nowMs = this.#clock.monotonicMs();
    if (this.#sliceEndMs === Number.POSITIVE_INFINITY) this.#begin(nowMs);
    return nowMs >= this.#sliceEndMs || nowMs >= this.#quantumEndMs;
  }

  /** As `isOver`, for work that takes long in each step: reads the clock each time. */
  get isSpent(): boolean {
    this.#stepsLeft = 0;
    return this.isOver;
  }

  /** Resolves when it is the caller's turn again: `if (time.isOver) await time.next()`. */
  next(owner: WorkOwner = NOBODY): Promise<void> {
    return new Promise((resume) => {
      this.#waiting.push({ owner, resume });
      this.#schedule();
    });
  }

  /** Runs a work: its result if it is done at once, otherwise a promise of it. Throws, or rejects, as the work does. */
  run<T>(work: Work<T>, owner: WorkOwner = NOBODY): T | Promise<T> {
    let step = work.next();
    if (step.done === true) return step.value;
    if (this.#sliceEndMs === Number.POSITIVE_INFINITY) this.#begin(this.#clock.monotonicMs());
    this.#stepsLeft = STEPS_FREE;
    while (step.done !== true && step.value === undefined && !this.isOver) step = work.next();
    return step.done === true ? step.value : this.#continue(work, step.value, owner);
  }

  async #continue<T>(work: Work<T>, first: Promise<unknown> | undefined, owner: WorkOwner): Promise<T> {
    let awaited = first;
    for (;;) {
      let step: IteratorResult<Promise<unknown> | undefined, T>;
      try {
        await (awaited ?? this.next(owner));
        step = work.next();
      } catch (error) {
        // What was awaited has failed; a work that has thrown has ended, and throws the same again.
        step = work.throw(error);
      }
      while (step.done !== true && step.value === undefined && !this.isOver) step = work.next();
      if (step.done === true) return step.value;
      awaited = step.value;
    }
  }

  #begin(nowMs: number): void {
    this.#sliceEndMs = nowMs + SLICE_MS;
    this.#quantumEndMs = this.#waiting.length > 0 ? nowMs + QUANTUM_MS : Number.POSITIVE_INFINITY;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#scheduler.soon(this.#pump);
  }

  /** Once in an iteration of the event loop. */
  async #giveTurns(): Promise<void> {
    this.#isScheduled = false;
    const waiting = this.#waiting;
    if (waiting.length === 0) {
      this.#sliceEndMs = Number.POSITIVE_INFINITY;
      this.#quantumEndMs = Number.POSITIVE_INFINITY;
      return;
    }
    this.#waiting = [];
    let nowMs = this.#clock.monotonicMs();
    this.#sliceEndMs = nowMs + SLICE_MS;
    let given = 0;
    while (given < waiting.length && nowMs < this.#sliceEndMs) {
      this.#quantumEndMs = nowMs + (waiting.length === 1 ? SLICE_MS : QUANTUM_MS);
      this.#stepsLeft = STEPS_PER_READ;
      const { owner, resume } = waiting[given++];
      resume();
      // Whoever was resumed runs in the microtask before this one.
      await null;
      const beganMs = nowMs;
      nowMs = this.#clock.monotonicMs();
      if (nowMs - beganMs >= STRETCH_MS_MIN) this.onStretch?.(nowMs - beganMs, nowMs, owner);
    }
    // Those that had their turn are behind those that still wait for it.
    this.#waiting = waiting.slice(given).concat(this.#waiting);
    this.#schedule();
  }
}

/** The work with a limit for its steps: `tooLong` throws what it then ends with. */
export function* limited<T>(work: Work<T>, stepsMax: number, tooLong: () => never): Work<T> {
  let left = stepsMax;
  let step = work.next();
  while (step.done !== true) {
    if (--left < 0) tooLong();
    try {
      yield step.value;
    } catch (error) {
      step = work.throw(error);
      continue;
    }
    step = work.next();
  }
  return step.value;
}

/** Does the work to its end now, where nobody else is there to go on meanwhile. It must wait for nothing. */
export function finished<T>(work: Work<T>): T {
  let step = work.next();
  while (step.done !== true) step = work.next();
  return step.value;
}

/** Whether a handler has given its answer as a work. */
export function isWork<T extends object>(answer: T | Work<T>): answer is Work<T> {
  return Symbol.iterator in answer && 'throw' in answer;
}

/** Waits for the promise: its value. */
export function* awaited<T>(promise: T | Promise<T>): Work<T> {
  if (!(promise instanceof Promise)) return promise;
  let result: { readonly value: T } | undefined;
  yield promise.then((value) => {
    result = { value };
  });
  return (result as { readonly value: T } | undefined as { readonly value: T }).value;
}

/** What `each` makes of the values, one step for each of them. */
export function* mapped<T, R>(values: Iterable<T>, each: (value: T, index: number) => R): Work<R[]> {
  const results: R[] = [];
  for (const value of values) {
    results.push(each(value, results.length));
    yield;
  }
  return results;
}

/** What a work for each of the values comes to, one after the other. */
export function* mappedBy<T, R>(values: Iterable<T>, each: (value: T, index: number) => Work<R>): Work<R[]> {
  const results: R[] = [];
  for (const value of values) {
    results.push(yield* each(value, results.length));
    yield;
  }
  return results;
}

/** The values that pass, one step for each that is looked at. */
export function* filtered<T>(values: Iterable<T>, isWanted: (value: T) => boolean): Work<T[]> {
  const results: T[] = [];
  for (const value of values) {
    if (isWanted(value)) results.push(value);
    yield;
  }
  return results;
}

/** What is done in one step, where a work is wanted. It does nothing before it is run. */
// biome-ignore lint/correctness/useYield: there is nothing to wait for.
export function* atOnce<T>(run: () => T): Work<T> {
  return run();
}

/** Calls `each` for every value, one step each. */
export function* walked<T>(values: Iterable<T>, each: (value: T) => void): Work<void> {
  for (const value of values) {
    each(value);
    yield;
  }
}
