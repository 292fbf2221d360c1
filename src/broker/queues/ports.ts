import type { Clock } from '../../base/clock.ts';
import type { Scheduler } from '../../base/scheduler.ts';
import type { Work } from '../../base/turn-time.ts';
import type { CorruptionError } from '../../log/corruption.ts';
import type { ChunkStore, MessageMemory } from '../../log/memory/chunks.ts';
import type { QueueLog } from '../../log/queues/queue-log.ts';
import type { LogEvents } from '../../log/store.ts';
import type { ContentView } from '../../records/record-content.ts';
import type { ObjectCounter } from '../budget/object-counter.ts';
import type { BrokerError } from '../errors.ts';
import type { DeliveryGate } from '../shard/delivery-gate.ts';
import type { Turn } from '../shard/turn.ts';
import type { DeadLetterEntry } from './dead-letter-outbox.ts';
import type { DeliveryLevel } from './delivery-source.ts';
import type { PriorityLevel } from './priority-level.ts';

/** One request for one message (basic.get), to be answered once. */
export interface Getter {
  /** As `DeliverySink.deliver`. `remaining`: how many messages are ready behind it. */
  message(
    level: DeliveryLevel,
    offset: number,
    memory: MessageMemory,
    at: number,
    redelivered: boolean,
    remaining: number,
    content: ContentView,
  ): boolean;
  empty(): void;
  /** The queue is in another shard, and says there that it cannot be read, or is not there any more. */
  failed(error: BrokerError): void;
}

/** What a queue needs of the broker. */
export interface QueueDeps {
  readonly id: number;
  readonly turn: Turn;
  readonly gate: DeliveryGate;
  readonly chunks: ChunkStore;
  readonly clock: Clock;
  readonly scheduler: Scheduler;
  /** Does what may take long, in turns with others; what is short is done at once. */
  inBackground(work: Work<void>): void;
  openLog(id: number, durable: boolean, events: LogEvents): QueueLog;
  removeLog(log: QueueLog): void;
  /** What counts the priorities that the queue has messages of. */
  countLevels?(): ObjectCounter;
  /** What counts the names by which the queue knows messages again. */
  countNames?(): ObjectCounter;
  /** The id of one more log of this queue, which recovery will find again. */
  readonly newLevelId: (priority: number) => number;
  onCorruption(error: CorruptionError): void;
  /** The last consumer of an auto-delete queue went away. */
  onUnused(): void;
  /** The queue was not used for as long as x-expires allows. */
  onIdle(): void;
  /**
   * Moves these messages, which are all in memory, to the queue's dead-letter exchange, or as many of them as a turn
   * has time for, the first ones. Returns how many. 0 if there is no room for them now: the queue is pumped when there is.
   */
  deadLetter(batch: readonly DeadLetterEntry[]): number;
  /** These messages came back from a consumer once more: what has to survive a crash. */
  recordReturns(returns: readonly ReturnCounts[]): void;
}

/** Of one message: how often it was at a consumer and came back, and how often it failed there. */
export interface ReturnCounts {
  readonly level: PriorityLevel;
  readonly offset: number;
  readonly failures: number;
  readonly acquisitions: number;
}
