import type { Clock } from '../../base/clock.ts';
import type { Scheduler } from '../../base/scheduler.ts';
import { ALONE, type CountedTogether } from '../budget/counted-together.ts';
import { FollowedMemoryAlarm } from './followed-memory-alarm.ts';
import { Garbage } from './garbage.ts';
import { HeapReport, HeapsOfOthers } from './heaps-of-all.ts';
import { LiveHeap } from './live-heap.ts';
import { MemoryAlarm } from './memory-alarm.ts';
import { heapUse, ResidentMemory } from './resident-memory.ts';
import type { ShardLog } from './shard.ts';

export interface MemoryAlarmsDeps {
  readonly memoryHighWaterBytes: number;
  /** What the process needs, where that is known in another way than from the system and V8. */
  readonly neededBytes: (() => number) | null;
  readonly scheduler: Scheduler;
  readonly clock: Clock;
  readonly log: ShardLog;
  readonly onChange: (isShort: boolean) => void;
  readonly together?: CountedTogether;
  /** Of this shard. Shard 0 measures the memory of the process for all. */
  readonly number?: number;
}

/** Of the heap's limit, which ends the process when it is reached: `--max-old-space-size`, or what Node makes of the memory. */
const HEAP_MARK = 0.75;

/**
 * The two ways in which memory is short: the process holds too much of the machine's, or the heap of this thread is nearly full.
 */
export class MemoryAlarms {
  readonly #alarms: readonly { stop(): void }[];
  readonly #deps: MemoryAlarmsDeps;
  readonly #short = new Set<string>();

  constructor(deps: MemoryAlarmsDeps) {
    this.#deps = deps;
    const { scheduler, clock, number = 0 } = deps;
    const garbage = new Garbage(clock);
    const heap = new LiveHeap(garbage);
    const heapBytesMax = heap.limitBytes * HEAP_MARK;
    const heapAlarm = new MemoryAlarm({
      limitBytes: heapBytesMax,
      residentBytes: () => heap.bytes(),
      scheduler,
      onChange: (isOver, heapBytes) => this.#changed('the heap', isOver, { heapBytes, heapBytesMax }),
    });
    this.#alarms = [heapAlarm, number === 0 ? this.#measured(garbage) : this.#followed(garbage)];
  }

  stop(): void {
    for (const alarm of this.#alarms) alarm.stop();
  }

  #measured(garbage: Garbage): MemoryAlarm {
    const { memoryHighWaterBytes, neededBytes, scheduler, together = ALONE } = this.#deps;
    const others = together.shards === 1 ? undefined : new HeapsOfOthers(together);
    const { rss } = process.memoryUsage;
    const resident = new ResidentMemory(memoryHighWaterBytes, rss, garbage, heapUse, others);
    const alarm = together.counter('memory-alarm');
    return new MemoryAlarm({
      limitBytes: memoryHighWaterBytes,
      residentBytes: neededBytes ?? (() => resident.bytes()),
      scheduler,
      onChange: (isOver, residentBytes) => {
        alarm.set(isOver ? 1 : 0);
        this.#changed('memory', isOver, { residentBytes, memoryHighWaterBytes });
      },
    });
  }

  #followed(garbage: Garbage): FollowedMemoryAlarm {
    const { memoryHighWaterBytes, scheduler, together = ALONE } = this.#deps;
    return new FollowedMemoryAlarm({
      alarm: together.counter('memory-alarm'),
      heap: new HeapReport(together, garbage),
      scheduler,
      onChange: (isOver) => this.#changed('memory', isOver, { memoryHighWaterBytes }),
    });
  }

  #changed(what: string, isOver: boolean, fields: object): void {
    const { log, onChange } = this.#deps;
    log.warn(fields, isOver ? `${what} is short` : `${what} is free again`);
    if (isOver) this.#short.add(what);
    else this.#short.delete(what);
    onChange(this.#short.size > 0);
  }
}
