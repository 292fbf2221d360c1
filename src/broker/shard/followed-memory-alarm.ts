import type { Counter } from '../../base/counter.ts';
import type { Scheduler, Timer } from '../../base/scheduler.ts';
import type { HeapReport } from './heaps-of-all.ts';
import { SAMPLE_MS } from './memory-alarm.ts';

export interface FollowedMemoryAlarmDeps {
  /** Above 0 in shard 0 while the process holds too much. */
  readonly alarm: Counter;
  readonly heap: HeapReport;
  readonly scheduler: Scheduler;
  readonly onChange: (isOver: boolean) => void;
}

/** The alarm of the memory of the process in another shard than 0, which alone measures it. */
export class FollowedMemoryAlarm {
  readonly #deps: FollowedMemoryAlarmDeps;
  readonly #timer: Timer;
  #isOver = false;

  constructor(deps: FollowedMemoryAlarmDeps) {
    this.#deps = deps;
    this.#timer = deps.scheduler.every(SAMPLE_MS, () => this.sample());
    this.sample();
  }

  stop(): void {
    this.#timer.cancel();
  }

  sample(): void {
    const { alarm, heap, onChange } = this.#deps;
    heap.tell();
    const isOver = alarm.others > 0;
    if (isOver === this.#isOver) return;
    this.#isOver = isOver;
    onChange(isOver);
  }
}
