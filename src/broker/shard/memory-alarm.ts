import type { Scheduler, Timer } from '../../base/scheduler.ts';

export interface MemoryAlarmDeps {
  readonly limitBytes: number;
  /** Resident memory of the process, in bytes. */
  readonly residentBytes: () => number;
  readonly scheduler: Scheduler;
  /** Called when the memory goes over the limit, and when it is well below it again. */
  readonly onChange: (isOver: boolean, residentBytes: number) => void;
}

export const SAMPLE_MS = 1000;
/** Of the limit, not the limit itself, so that publishers are not stopped and started all the time. */
const CLEARED_BELOW = 0.95;

/**
 * The last resort, behind all limits of single parts: when the process as a whole holds too much memory, nobody may
 * publish until consumers have made room.
 */
export class MemoryAlarm {
  readonly #deps: MemoryAlarmDeps;
  readonly #timer: Timer;
  #isOver = false;

  constructor(deps: MemoryAlarmDeps) {
    this.#deps = deps;
    this.#timer = deps.scheduler.every(SAMPLE_MS, () => this.sample());
    this.sample();
  }

  stop(): void {
    this.#timer.cancel();
  }

  sample(): void {
    const { limitBytes, residentBytes, onChange } = this.#deps;
    const bytes = residentBytes();
    const isOver = bytes > limitBytes || (this.#isOver && bytes >= limitBytes * CLEARED_BELOW);
    if (isOver === this.#isOver) return;
    this.#isOver = isOver;
    onChange(isOver, bytes);
  }
}
