import { getHeapStatistics, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Clock } from '../../base/clock.ts';
import { oldGenerationBytesMax } from '../../base/old-generation.ts';

/** Of the limit: where it begins to matter how much of what is used is garbage. */
const MATTERS_FROM = 0.7;
/** For so long what was collected counts as the last word. It takes the event loop for some tenths of a second. */
const COLLECTED_FOR_MS = 30_000;

type Collect = (options: { type: 'major'; execution: 'async' }) => Promise<void>;

/**
 * How much of Node's heap is in use. A heap may be nearly full of garbage, and then it says so only if nobody does anything:
 * so before a high figure is told, the garbage is collected.
 */
export class LiveHeap {
  /** Of what lives on: `--max-old-space-size`. When it is reached, V8 ends the process. */
  readonly limitBytes = oldGenerationBytesMax();
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  #collect: Collect | null = null;
  #isCollecting = false;
  #collectedAtMs = Number.NEGATIVE_INFINITY;

  constructor(clock: Pick<Clock, 'monotonicMs'>) {
    this.#clock = clock;
  }

  /** To be called from time to time. While garbage is collected it is not more than `MATTERS_FROM` of the limit. */
  bytes(): number {
    const usedBytes = getHeapStatistics().used_heap_size;
    const unknownBytes = this.limitBytes * MATTERS_FROM;
    if (usedBytes < unknownBytes) return usedBytes;
    if (!this.#isCollecting && this.#clock.monotonicMs() - this.#collectedAtMs < COLLECTED_FOR_MS) {
      return usedBytes;
    }
    void this.#collectGarbage();
    return unknownBytes;
  }

  async #collectGarbage(): Promise<void> {
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
