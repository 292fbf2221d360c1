import type { Clock } from '../../base/clock.ts';
import type { Scheduler } from '../../base/scheduler.ts';
import type { CorruptionError } from '../../log/corruption.ts';
import type { Chunk, ChunkStore } from '../../log/memory/chunks.ts';
import type { QueueLog } from '../../log/queues/queue-log.ts';
import type { LogEvents } from '../../log/store.ts';
import type { Turn } from '../shard/turn.ts';
import type { DeadLetterBatch } from './dead-letter-outbox.ts';
import type { PriorityLevel } from './priority-level.ts';
import type { Queue } from './queue.ts';

/** One answer to one request for one message. */
export interface Getter {
  /** Returns the bytes of the body. */
  message(
    lane: PriorityLevel,
    offset: number,
    chunk: Chunk,
    at: number,
    redelivered: boolean,
    remaining: number,
  ): number;
  empty(): void;
}

/** What a queue needs of the broker. */
export interface QueueDeps {
  readonly id: number;
  readonly turn: Turn;
  readonly chunks: ChunkStore;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  openLog(id: number, durable: boolean, events: LogEvents): QueueLog;
  removeLog(log: QueueLog): void;
  /** A number for one more log of this queue, which will be found again after a restart. */
  newLaneId(queue: Queue, priority: number): number;
  onCorruption(queue: Queue, error: CorruptionError): void;
  /** The last consumer of an auto-delete queue went away. */
  onUnused(queue: Queue): void;
  /** The queue was not used for as long as it may be. */
  onIdle(queue: Queue): void;
  /**
   * Puts these messages where the dead letters of the queue go. They are all in memory. False if there is no room for
   * them now: the queue is pumped when there is.
   */
  deadLetter(queue: Queue, batch: readonly DeadLetterBatch[]): boolean;
  /** These messages failed at a consumer once more: what has to survive a crash. */
  recordFailures(queue: Queue, failures: readonly Failure[]): void;
}

export interface Failure {
  readonly lane: PriorityLevel;
  readonly offset: number;
  readonly count: number;
}
