import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Clock } from '../../base/clock.ts';

/** What was collected counts as the last word for so many times as long as that took, of which most is time of the event loop. */
const LASTS_TIMES = 100;
const LASTS_MS_MIN = 1000;
const LASTS_MS_MAX = 30_000;

export type Collect = (options: { type: 'major'; execution: 'async' }) => Promise<void>;

/**
 * The memory of a process is full of garbage when nobody does anything about it: before a high figure is told, the garbage is
 * collected.
 */
export class Garbage {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  #collect: Collect | null;
  #isCollecting = false;
  /** Until then what was collected is the last word. */
  #lastsUntilMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Pick<Clock, 'monotonicMs'>, collect: Collect | null = null) {
    this.#clock = clock;
    this.#collect = collect;
  }

  /** Whether that was done lately, so that what is there is in use, most of it. Otherwise it begins now. */
  isCollected(): boolean {
    if (!this.#isCollecting && this.#clock.monotonicMs() < this.#lastsUntilMs) return true;
    void this.#begin();
    return false;
  }

  async #begin(): Promise<void> {
    if (this.#isCollecting) return;
    this.#isCollecting = true;
    this.#collect ??= collector();
    const beganMs = this.#clock.monotonicMs();
    await this.#collect({ type: 'major', execution: 'async' });
    this.#isCollecting = false;
    const nowMs = this.#clock.monotonicMs();
    const lastsMs = (nowMs - beganMs) * LASTS_TIMES;
    this.#lastsUntilMs = nowMs + Math.min(Math.max(lastsMs, LASTS_MS_MIN), LASTS_MS_MAX);
  }
}

/** What `node --expose-gc` has as `gc`: it is there in contexts that are made after the flag is set. */
function collector(): Collect {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as Collect;
}
