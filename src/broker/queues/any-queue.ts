import type { Queue } from './queue.ts';
import type { RemoteQueue } from './remote-queue.ts';

/** A queue of this shard, or of another one. `isRemote` tells which. */
export type AnyQueue = Queue | RemoteQueue;

/** The queue, if it is of this shard. */
export function asLocal(queue: AnyQueue | undefined): Queue | undefined {
  return queue === undefined || queue.isRemote ? undefined : queue;
}

/** Those of this shard. */
export function* localOf(queues: Iterable<AnyQueue>): Iterable<Queue> {
  for (const queue of queues) if (!queue.isRemote) yield queue;
}
