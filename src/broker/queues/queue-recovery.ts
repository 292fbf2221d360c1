import type { Failure } from './ports.ts';
import type { Amount } from './priority-level.ts';
import type { Queue } from './queue.ts';
import { decodeQueueOperation, type QueueOperation } from './queue-operations.ts';

/** What the snapshot keeps of a queue beside its messages and what the topology knows. */
export interface QueueState {
  readonly id: number;
  /** Priority, id of the log, and failures (offset, count, offset, count, ...) of each lane. */
  readonly lanes: readonly (readonly [priority: number, id: number, failures: readonly number[]])[];
  readonly seen: readonly (readonly [key: string, untilMs: number])[];
  /** What is ready, if some of it is in segments: recovery does not read those. */
  readonly ready?: Amount;
}

/** Null if there is nothing to keep. */
export function stateOf(queue: Queue, nowMs: number): QueueState | null {
  const lanes = queue.lanes.map(
    (lane) => [lane.priority, lane.log.id, [...(lane.failures ?? [])].flat()] as const,
  );
  const seen = queue.deduplicator?.kept(nowMs) ?? [];
  const isPlain = lanes.length === 1 && lanes[0]?.[2].length === 0 && seen.length === 0;
  const { readyCount: count, readyBytes: bytes } = queue;
  const isStored = count > 0 && queue.lanes.some(({ log }) => log.head < log.tailStart);
  if (isStored) return { id: queue.id, lanes, seen, ready: { count, bytes } };
  return isPlain ? null : { id: queue.id, lanes, seen };
}

export function failureOperations(queue: Queue, failures: readonly Failure[]): QueueOperation[] {
  const byPriority = new Map<number, number[]>();
  for (const { lane, offset, count } of failures) {
    const counts = byPriority.get(lane.priority) ?? [];
    byPriority.set(lane.priority, counts);
    counts.push(offset, count);
  }
  return Array.from(byPriority, ([priority, counts]) => ({
    op: 'queue-state.failures',
    id: queue.id,
    priority,
    counts,
  }));
}

/** Brings the state of queues back, from the snapshot and then from the journal. */
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
      this.#addLane(queue, priority, laneId);
      this.#setFailures(queue, priority, failures);
    }
    for (const [key, untilMs] of seen) queue.deduplicator?.remember(key, 0, untilMs, true);
  }

  apply(bytes: Buffer): void {
    const operation = decodeQueueOperation(bytes);
    const queue = this.#queues.get(operation.id);
    // It was deleted later on.
    if (queue === undefined || queue.isRemoved) return;
    if (operation.op === 'queue-state.lane') this.#addLane(queue, operation.priority, operation.laneId);
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

  #addLane(queue: Queue, priority: number, laneId: number): void {
    this.#useId(laneId);
    if (!queue.lanes.some((lane) => lane.priority === priority)) queue.addLane(priority, laneId);
  }

  #setFailures(queue: Queue, priority: number, counts: readonly number[]): void {
    const lane = queue.lanes.find((each) => each.priority === priority);
    if (lane === undefined || lane.failures === null) return;
    for (let i = 0; i < counts.length; i += 2)
      lane.failures.set(counts[i] as number, counts[i + 1] as number);
  }
}

/**
 * Without those of messages that are not there, as transient ones: their offsets may have been given to others since.
 * The journal is in order, so that what is there at this point is what was meant.
 */
function presentIn(queue: Queue, priority: number, counts: readonly number[]): number[] {
  const log = queue.lanes.find((each) => each.priority === priority)?.log;
  const present: number[] = [];
  for (let i = 0; i < counts.length; i += 2) {
    const offset = counts[i] as number;
    if (log !== undefined && offset < log.end) present.push(offset, counts[i + 1] as number);
  }
  return present;
}
