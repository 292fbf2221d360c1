import type { Amount } from './message-ledger.ts';
import type { Failure } from './ports.ts';
import type { Queue } from './queue.ts';
import { decodeQueueOperation, type QueueOperation } from './queue-operations.ts';

/** What the snapshot keeps of a queue beside its messages and what the topology knows. */
export interface QueueState {
  readonly id: number;
  /** Of each priority level: its priority, the id of its log, its failures (offset, count, offset, count, ...). */
  readonly lanes: readonly (readonly [priority: number, id: number, failures: readonly number[]])[];
  readonly seen: readonly (readonly [key: string, untilMs: number])[];
  /** What is ready, if some of it is in segments: recovery does not read those. */
  readonly ready?: Amount;
}

/** Null if there is nothing to keep. */
export function stateOf(queue: Queue, nowMs: number): QueueState | null {
  const lanes = queue.levels.map(
    (level) => [level.priority, level.log.id, [...(level.failures ?? [])].flat()] as const,
  );
  const seen = queue.deduplicator?.kept(nowMs) ?? [];
  const isPlain = lanes.length === 1 && lanes[0]?.[2].length === 0 && seen.length === 0;
  const { readyCount: count, readyBytes: bytes } = queue;
  const isStored = count > 0 && queue.levels.some(({ log }) => log.head < log.tailStart);
  if (isStored) return { id: queue.id, lanes, seen, ready: { count, bytes } };
  return isPlain ? null : { id: queue.id, lanes, seen };
}

export function failureOperations(queue: Queue, failures: readonly Failure[]): QueueOperation[] {
  const byPriority = new Map<number, number[]>();
  for (const { level, offset, count } of failures) {
    const counts = byPriority.get(level.priority) ?? [];
    byPriority.set(level.priority, counts);
    counts.push(offset, count);
  }
  return Array.from(byPriority, ([priority, counts]) => ({
    op: 'queue-state.failures',
    id: queue.id,
    priority,
    counts,
  }));
}

/** Restores the state of queues, from the snapshot and then from the journal. */
export class QueueRecovery {
  readonly #queues = new Map<number, Queue>();
  readonly #deliveredBelow = new Map<number, number>();
  readonly #ready = new Map<number, Amount>();
  #useId: (id: number) => void = () => undefined;

  delivered(pairs: readonly (readonly [number, number])[]): void {
    for (const [id, below] of pairs) this.#deliveredBelow.set(id, below);
  }

  /** A queue was made while the journal is replayed. */
  created(queue: Queue, useId: (id: number) => void): void {
    this.#queues.set(queue.id, queue);
    this.#useId = useId;
  }

  restore({ id, lanes, seen, ready }: QueueState): void {
    const queue = this.#queues.get(id);
    if (queue === undefined) return;
    if (ready !== undefined) this.#ready.set(id, ready);
    for (const [priority, laneId, failures] of lanes) {
      this.#addLevel(queue, priority, laneId);
      this.#setFailures(queue, priority, failures);
    }
    for (const [key, untilMs] of seen) queue.deduplicator?.remember(key, 0, untilMs, true);
  }

  apply(bytes: Buffer): void {
    const operation = decodeQueueOperation(bytes);
    const queue = this.#queues.get(operation.id);
    // It was deleted later on.
    if (queue === undefined || queue.isRemoved) return;
    if (operation.op === 'queue-state.lane') this.#addLevel(queue, operation.priority, operation.laneId);
    else if (operation.op === 'queue-state.failures') {
      this.#setFailures(queue, operation.priority, presentIn(queue, operation.priority, operation.counts));
    } else queue.deduplicator?.remember(operation.key, 0, operation.untilMs, true);
  }

  deliveredBelow(logId: number): number {
    return this.#deliveredBelow.get(logId) ?? 0;
  }

  /** What was ready in the queue at the last snapshot; null if that is not known. */
  readyBefore(queueId: number): Amount | null {
    return this.#ready.get(queueId) ?? null;
  }

  finish(): void {
    this.#ready.clear();
    this.#queues.clear();
    this.#deliveredBelow.clear();
  }

  #addLevel(queue: Queue, priority: number, logId: number): void {
    this.#useId(logId);
    if (!queue.levels.some((level) => level.priority === priority)) queue.addLevel(priority, logId);
  }

  #setFailures(queue: Queue, priority: number, counts: readonly number[]): void {
    const level = queue.levels.find((each) => each.priority === priority);
    for (let i = 0; i < counts.length; i += 2) level?.setFailures(counts[i], counts[i + 1]);
  }
}

/**
 * The counts without those of messages that recovery did not bring back, as transient ones: their offsets may have been
 * given to others since. The journal is in order, so that the message with an offset is the one that was meant.
 */
function presentIn(queue: Queue, priority: number, counts: readonly number[]): number[] {
  const log = queue.levels.find((each) => each.priority === priority)?.log;
  const present: number[] = [];
  for (let i = 0; i < counts.length; i += 2) {
    const offset = counts[i];
    if (log !== undefined && offset < log.end) present.push(offset, counts[i + 1]);
  }
  return present;
}
