import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Clock } from '../../base/clock.ts';

/** For so long what was collected counts as the last word. It takes the event loop for some tenths of a second. */
const COLLECTED_FOR_MS = 30_000;

export type Collect = (options: { type: 'major'; execution: 'async' }) => Promise<void>;

/**
 * The memory of a process is full of garbage when nobody does anything about it: before a high figure is told, the garbage is
 * collected.
 */
export class Garbage {
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  #collect: Collect | null;
  #isCollecting = false;
  #collectedAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Pick<Clock, 'monotonicMs'>, collect: Collect | null = null) {
    this.#clock = clock;
    this.#collect = collect;
  }

  /** Whether that was done lately, so that what is there is in use, most of it. Otherwise it begins now. */
  isCollected(): boolean {
    if (!this.#isCollecting && this.#clock.monotonicMs() - this.#collectedAtMs < COLLECTED_FOR_MS)
      return true;
    void this.#begin();
    return false;
  }

  async #begin(): Promise<void> {
    if (this.#isCollecting) return;
    this.#isCollecting = true;
    this.#collect ??= collector();
    await this.#collect({ type: 'major', execution: 'async' });
    this.#isCollecting = false;
    this.#collectedAtMs = this.#clock.monotonicMs();
  }
}

/** What `node --expose-gc` has as `gc`: it is there in contexts that are made after the flag is set. */
function collector(): Collect {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as Collect;
}
