import type { Clock } from '../../base/clock.ts';
import type { Scheduler } from '../../base/scheduler.ts';

/** Something with messages to hand out. */
export interface Pumped {
  pumpPending: boolean;
  pump(): void;
}

/** Something with bytes to send. */
export interface Flushed {
  flushPending: boolean;
  flush(): void;
}

/** What may be read in one turn: a thousand small messages. */
const TURN_BYTES = 64 * 1024;
/** How long the queues of one turn hand out; those that did not have their turn are the first of the next. */
const PUMP_MS = 2;

/**
 * What is done once per turn of the event loop, after the sockets were read: queues hand out what came in, the
 * group commit is started, and each socket gets one write.
 */
export class Turn {
  /** Milliseconds since the epoch with fractions, as of the last `touch`. */
  nowMs: number;
  readonly #clock: Clock;
  readonly #scheduler: Scheduler;
  readonly #commit: () => void;
  #queues: Pumped[] = [];
  #outputs: Flushed[] = [];
  #scheduled = false;
  #stopped = false;
  /** While queues hand out: what they write is flushed at the end of this turn, without another. */
  #flushesNext = false;
  #receivedBytes = 0;
  /** Wall clock minus monotonic clock: gives the wall clock fractions. */
  #base: number;
  readonly #run = (): void => this.#perform();

  constructor(clock: Clock, scheduler: Scheduler, commit: () => void) {
    this.#clock = clock;
    this.#scheduler = scheduler;
    this.#commit = commit;
    this.#base = clock.now() - clock.monotonicMs();
    this.nowMs = clock.now();
  }

  /** To be called when something happens, as when a socket was read: sets `nowMs`. */
  touch(): void {
    this.nowMs = this.#base + this.#clock.monotonicMs();
  }

  pumpLater(queue: Pumped): void {
    if (queue.pumpPending) return;
    queue.pumpPending = true;
    this.#queues.push(queue);
    this.schedule();
  }

  flushLater(output: Flushed): void {
    if (output.flushPending) return;
    output.flushPending = true;
    this.#outputs.push(output);
    if (!this.#flushesNext) this.schedule();
  }

  /**
   * So many bytes were read. A socket that always has more would be read again and again before anything else
   * happens: then a turn is ended here, while its messages are still in the processor's cache.
   */
  received(bytes: number): void {
    this.#receivedBytes += bytes;
    if (this.#receivedBytes >= TURN_BYTES && this.#scheduled) this.#perform();
  }

  /** There is something to commit. */
  schedule(): void {
    if (this.#scheduled || this.#stopped) return;
    this.#scheduled = true;
    this.#scheduler.soon(this.#run);
  }

  stop(): void {
    this.#stopped = true;
  }

  #perform(): void {
    this.#scheduled = false;
    this.#receivedBytes = 0;
    if (this.#stopped) return;
    this.touch();
    // The wall clock may have been set.
    const wall = this.#clock.now();
    if (Math.abs(wall - this.nowMs) > 1000) {
      this.#base = wall - this.#clock.monotonicMs();
      this.nowMs = wall;
    }
    this.#flushesNext = true;
    // The disk starts first: it works while messages are handed out.
    this.#commit();
    this.#pump();
    this.#flushesNext = false;
    const outputs = this.#outputs;
    this.#outputs = [];
    for (let i = 0; i < outputs.length; i++) {
      const output = outputs[i];
      output.flushPending = false;
      output.flush();
    }
  }

  #pump(): void {
    const queues = this.#queues;
    this.#queues = [];
    const endMs = this.#clock.monotonicMs() + PUMP_MS;
    for (let i = 0; i < queues.length; i++) {
      const queue = queues[i];
      queue.pumpPending = false;
      queue.pump();
      if (i + 1 === queues.length || this.#clock.monotonicMs() < endMs) continue;
      this.#queues = queues.slice(i + 1).concat(this.#queues);
      this.schedule();
      return;
    }
  }
}
