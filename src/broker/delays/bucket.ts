import type { CorruptionError } from '../../log/corruption.ts';
import type { QueueLog } from '../../log/queues/queue-log.ts';
import type { LogEvents } from '../../log/store.ts';
import type { AppendTargets } from '../publishing/atomic-append.ts';
import type { MoveSource } from '../publishing/atomic-move.ts';
import type { PriorityLevel } from '../queues/priority-level.ts';
import { opensAt } from './levels.ts';
import type { BucketReader } from './reader.ts';

/** What a bucket tells the store that it belongs to. */
export interface BucketEvents {
  /** There may be something to do for it. */
  onChange(bucket: Bucket): void;
  /** A message of it could not be read back. */
  onLost(): void;
  onCorruption(bucket: Bucket, error: CorruptionError): void;
}

/** What comes due between `startMs` and the end of its width: one log. */
export class Bucket implements MoveSource {
  readonly id: number;
  readonly level: number;
  readonly startMs: number;
  readonly log: QueueLog;
  /** For what comes from another bucket. */
  readonly targets: AppendTargets;
  /** For what is published. */
  entrance: PriorityLevel | null = null;
  waitingCount = 0;
  /** Set when its messages are on their way out. */
  reader: BucketReader | null = null;
  damage: CorruptionError | null = null;
  /** Messages from here on belong to an atomic append that is not durable yet. */
  heldFrom = Number.POSITIVE_INFINITY;
  readonly #holds: number[] = [];
  readonly #events: BucketEvents;

  constructor(
    id: number,
    level: number,
    startMs: number,
    openLog: (id: number, durable: boolean, events: LogEvents) => QueueLog,
    events: BucketEvents,
  ) {
    this.id = id;
    this.level = level;
    this.startMs = startMs;
    this.#events = events;
    this.log = openLog(id, true, {
      onLoaded: () => events.onChange(this),
      onMissing: (offset) => this.lose(offset),
      onCorruption: (error) => {
        this.damage = error;
        events.onCorruption(this, error);
      },
    });
    this.targets = {
      levels: [this],
      queues: [],
      logs: [this.log],
      durableLogs: [this.log],
      streams: [],
      remotes: [],
    };
  }

  get opensAtMs(): number {
    return opensAt(this.level, this.startMs);
  }

  /** What was published from here on may not be looked at yet. */
  get visibleEnd(): number {
    return Math.min(this.log.end, this.heldFrom);
  }

  /** Called once the log is recovered. */
  recovered(): void {
    const { log } = this;
    this.waitingCount = log.acknowledged.missingIn(log.head, log.end);
  }

  /** A message was appended to the log. */
  published(): void {
    this.waitingCount++;
    if (this.reader !== null) this.#events.onChange(this);
  }

  settle(offset: number): void {
    this.waitingCount--;
    this.reader?.release(offset);
    this.log.acknowledge(offset);
  }

  /** A message that should be in a segment is not: its damaged batch was cut off. */
  lose(offset: number): void {
    if (this.log.isAcknowledged(offset)) return;
    this.settle(offset);
    this.#events.onLost();
  }

  /** What was published from `offset` on waits until `release`. */
  hold(offset: number): void {
    this.#holds.push(offset);
    this.heldFrom = this.#holds[0];
  }

  /** The oldest hold ends: its atomic append is durable. */
  release(): void {
    this.#holds.shift();
    this.heldFrom = this.#holds[0] ?? Number.POSITIVE_INFINITY;
    this.#events.onChange(this);
  }
}
