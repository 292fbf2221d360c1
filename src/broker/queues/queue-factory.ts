import { damagedSegmentText } from '../../log/operator-advice.ts';
import { ObjectCounter } from '../budget/object-counter.ts';
import type { ObjectQuotas } from '../budget/object-quotas.ts';

import type { Shard } from '../shard/shard.ts';
import type { DeadLetterEntry } from './dead-letter-outbox.ts';
import { Queue } from './queue.ts';
import { encodeQueueOperation } from './queue-operations.ts';
import type { QueueSpec } from './queue-port.ts';
import { type QueueRecovery, returnOperations } from './queue-recovery.ts';

export interface QueueFactoryDeps {
  readonly shard: Shard;
  readonly recovery: QueueRecovery;
  readonly quotas: ObjectQuotas;
  /** Moves messages to where the dead letters of the queue go. */
  readonly deadLettering: { send(queue: Queue, batch: readonly DeadLetterEntry[]): number };
  /** The queue deletes itself: nobody consumes from it any more, or it expired. */
  remove(queue: Queue): void;
  /** In a shard that follows: the last change of the metadata that it knows. */
  followedChange?(): number;
}

/** A queue in the shard; while that recovers, `recovery` brings its state back. */
export function createQueue(
  spec: QueueSpec,
  { shard, recovery, quotas, deadLettering, remove, followedChange }: QueueFactoryDeps,
): Queue {
  const { store, backPressure } = shard;
  const id = shard.logId(spec.id);
  let isWaiting = false;
  const queue: Queue = new Queue(spec, {
    id,
    turn: shard.turn,
    gate: shard.deliveryGate,
    chunks: store.chunks,
    clock: shard.clock,
    scheduler: shard.scheduler,
    inBackground: (work) => shard.inBackground(work, `to tell the consumers of queue '${spec.name}'`),
    openLog: (...parameters) => store.openLog(...parameters),
    removeLog: (log) => store.removeLog(log),
    onCorruption: (error) => {
      const { path, offset } = error;
      shard.log.error(
        { queue: queue.name, vhost: queue.vhost, path, offset, what: error.what },
        damagedSegmentText('a queue stops delivering (or purge or delete it)', path),
      );
    },
    onUnused: () => remove(queue),
    onIdle: () => {
      // Until everything is read nothing has had a chance to be used.
      if (shard.isRecovering || shard.isHeld) queue.touch();
      else remove(queue);
    },
    countLevels: () => new ObjectCounter(quotas, 'priority-levels', spec.account ?? null, spec.vhost),
    countNames: () => new ObjectCounter(quotas, 'deduplication-names', spec.account ?? null, spec.vhost),
    newLevelId: (priority) => {
      const laneId = shard.logId();
      if (queue.durable) {
        shard.record(encodeQueueOperation({ op: 'queue-state.lane', id: queue.id, priority, laneId }));
      }
      return laneId;
    },
    deadLetter: (batch) => {
      if (backPressure.isOverwhelmed) {
        if (!isWaiting) {
          isWaiting = true;
          backPressure.onResume([], () => {
            isWaiting = false;
            queue.pumpLater();
          });
        }
        return 0;
      }
      return deadLettering.send(queue, batch);
    },
    recordReturns: (returns) => {
      for (const operation of returnOperations(queue, returns)) {
        shard.record(encodeQueueOperation(operation));
      }
    },
  });
  if (shard.isRecovering) recovery.created(queue, (laneId) => shard.logId(laneId));
  else if (queue.shard !== 0 && queue.durable) {
    // What its declaration says here, where it is not journaled: that there is such a log.
    const change = followedChange?.() ?? 0;
    shard.record(encodeQueueOperation({ op: 'queue-state.open', id, change }));
  }
  return queue;
}
