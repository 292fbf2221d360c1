import type { Clock } from '../../base/clock.ts';
import type { Scheduler } from '../../base/scheduler.ts';
import { Garbage } from './garbage.ts';
import { LiveHeap } from './live-heap.ts';
import { MemoryAlarm } from './memory-alarm.ts';
import { ResidentMemory } from './resident-memory.ts';
import type { ShardLog } from './shard.ts';

export interface MemoryAlarmsDeps {
  readonly memoryHighWaterBytes: number;
  /** What the process needs, where that is known in another way than from the system and V8. */
  readonly neededBytes: (() => number) | null;
  readonly scheduler: Scheduler;
  readonly clock: Clock;
  readonly log: ShardLog;
  readonly onChange: (isShort: boolean) => void;
}

/** Of the heap's limit, which ends the process when it is reached: `--max-old-space-size`, or what Node makes of the memory. */
const HEAP_MARK = 0.75;

/** The two ways in which memory is short: the process holds too much of the machine's, or its heap is nearly full. */
export class MemoryAlarms {
  readonly #alarms: readonly MemoryAlarm[];

  constructor({ memoryHighWaterBytes, neededBytes, scheduler, clock, log, onChange }: MemoryAlarmsDeps) {
    const garbage = new Garbage(clock);
    const heap = new LiveHeap(garbage);
    const resident = new ResidentMemory(memoryHighWaterBytes, process.memoryUsage.rss, garbage);
    const short = new Set<string>();
    const changed = (what: string, isOver: boolean, fields: object): void => {
      log.warn(fields, isOver ? `${what} is short` : `${what} is free again`);
      if (isOver) short.add(what);
      else short.delete(what);
      onChange(short.size > 0);
    };
    const heapBytesMax = heap.limitBytes * HEAP_MARK;
    this.#alarms = [
      new MemoryAlarm({
        limitBytes: heapBytesMax,
        residentBytes: () => heap.bytes(),
        scheduler,
        onChange: (isOver, heapBytes) => changed('the heap', isOver, { heapBytes, heapBytesMax }),
      }),
      new MemoryAlarm({
        limitBytes: memoryHighWaterBytes,
        residentBytes: neededBytes ?? (() => resident.bytes()),
        scheduler,
        onChange: (isOver, bytes) =>
          changed('memory', isOver, { residentBytes: bytes, memoryHighWaterBytes }),
      }),
    ];
  }

  stop(): void {
    for (const alarm of this.#alarms) alarm.stop();
  }
}
