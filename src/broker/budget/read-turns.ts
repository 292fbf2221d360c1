import type { Scheduler } from '../../base/scheduler.ts';

/** How long what is read of one socket may take in one iteration of the event loop. */
const TURN_MS_MAX = 3;
/** The same for all sockets together, beyond which each still has its least. */
const ALL_MS_MAX = 3;
const TURN_MS_MIN = 1;

/** Whose socket is read. */
export interface Reader {
  /** Reads nothing more until `turnCame`. */
  turnIsOver(): void;
  turnCame(): void;
}

/**
 * The time that what is read takes, of all sockets. One that always has more is read dozens of times in one iteration of the
 * event loop, before anybody else is: beyond its time it waits, and those that wait are read in turns.
 *
 *     iteration  | sockets are read: those that nobody knows yet, and as many of those that waited as there is time for |
 */
export class ReadTurns {
  iteration = 0;
  /** What reading has taken in this iteration. */
  ms = 0;
  readonly #scheduler: Scheduler;
  #isScheduled = false;
  /** Those whose turn is over, the next one first. */
  #waiting: ReadTurn[] = [];
  readonly #next = (): void => this.#giveTurns();

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler;
  }

  /** Sockets that wait for their turn. */
  get waitingCount(): number {
    return this.#waiting.length;
  }

  add(ms: number): void {
    this.ms += ms;
    this.#schedule();
  }

  wait(turn: ReadTurn): void {
    this.#waiting.push(turn);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    this.#scheduler.soon(this.#next);
  }

  /** Between two iterations. */
  #giveTurns(): void {
    this.#isScheduled = false;
    this.iteration++;
    this.ms = 0;
    if (this.#waiting.length === 0) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    let leftMs = ALL_MS_MAX;
    let given = 0;
    while (given < waiting.length && leftMs > 0) {
      const turn = waiting[given++];
      // It will take about as long as the last time.
      leftMs -= turn.ms;
      turn.come();
    }
    this.#waiting = waiting.slice(given).concat(this.#waiting);
    if (this.#waiting.length > 0) this.#schedule();
  }
}

/** Of one socket. */
export class ReadTurn {
  /** What it has taken in the last iteration in which it was read. */
  ms = 0;
  readonly #all: ReadTurns;
  readonly #reader: Reader;
  #iteration = -1;
  #isOver = false;

  constructor(all: ReadTurns, reader: Reader) {
    this.#all = all;
    this.#reader = reader;
  }

  /** A read, with all that came of it, has taken so long. */
  took(ms: number): void {
    const all = this.#all;
    all.add(ms);
    if (this.#iteration !== all.iteration) {
      this.#iteration = all.iteration;
      this.ms = 0;
    }
    this.ms += ms;
    // Another read like this one would be too much.
    if (this.#isOver || this.ms + ms <= (all.ms < ALL_MS_MAX ? TURN_MS_MAX : TURN_MS_MIN)) return;
    this.#isOver = true;
    this.#reader.turnIsOver();
    all.wait(this);
  }

  come(): void {
    this.#isOver = false;
    this.#reader.turnCame();
  }
}
