import type { AnyQueue } from '../queues/any-queue.ts';
import type { PriorityLevel } from '../queues/priority-level.ts';
import type { Queue } from '../queues/queue.ts';
import type { LeastQueues } from './placement.ts';
import type { QueueCensus } from './queue-observer.ts';

/** All queues by their ids, as shards name them to each other. */
export class QueuesById implements QueueCensus<AnyQueue> {
  readonly #placement: LeastQueues;
  readonly #byId = new Map<number, AnyQueue>();

  constructor(placement: LeastQueues) {
    this.#placement = placement;
  }

  added(queue: AnyQueue): void {
    this.#byId.set(queue.id, queue);
    this.#placement.changed(queue.shard, 1);
  }

  removed(queue: AnyQueue): void {
    this.#byId.delete(queue.id);
    this.#placement.changed(queue.shard, -1);
  }

  /** The queue of this shard. */
  local(id: number): Queue | undefined {
    const queue = this.#byId.get(id);
    return queue === undefined || queue.isRemote ? undefined : queue;
  }

  /** The level of a queue of this shard with this log. */
  levelOf(logId: number): PriorityLevel | undefined {
    const queue = this.local(logId);
    if (queue !== undefined) return queue.base;
    // Only levels of priorities have logs whose ids are not those of queues.
    for (const each of this.#byId.values()) {
      if (each.isRemote || each.levels.length === 1) continue;
      const level = each.levels.find(({ log }) => log.id === logId);
      if (level !== undefined) return level;
    }
    return undefined;
  }

  /** Publishers to these queues of another shard wait, or go on. */
  pause(ids: readonly number[], isPaused: boolean): void {
    for (const id of ids) {
      const queue = this.#byId.get(id);
      if (queue?.isRemote === true) queue.isPaused = isPaused;
    }
  }
}
