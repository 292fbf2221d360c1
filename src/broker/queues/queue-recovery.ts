import type { Amount } from './message-ledger.ts';
import type { ReturnCounts } from './ports.ts';
import type { PriorityLevel } from './priority-level.ts';
import type { Queue } from './queue.ts';
import { decodeQueueOperation, type QueueOperation } from './queue-operations.ts';

/** What the snapshot keeps of a queue beside its messages and what the topology knows. */
export interface QueueState {
  readonly id: number;
  /**
   * Of each priority level: its priority, the id of its log, failures (offset, count, offset, count, ...) of what came back
   * from a consumer, and for each of those how often that was.
   */
  readonly lanes: readonly (readonly [
    priority: number,
    id: number,
    failures: readonly number[],
    acquired?: readonly number[],
  ])[];
  /** Names that are known until then. */
  readonly seen: readonly (readonly [key: string, untilMs: number])[];
  /** Names of messages that are in the queue. */
  readonly names?: readonly (readonly [priority: number, offset: number, name: string])[];
  /** What is ready, if some of it is in segments: recovery does not read those. */
  readonly ready?: Amount;
}

/** Null if there is nothing to keep. */
export function stateOf(queue: Queue, nowMs: number): QueueState | null {
  const state = wholeStateOf(queue, nowMs, ({ log }) => log.id);
  const isStored = queue.readyCount > 0 && queue.levels.some(({ log }) => log.head < log.tailStart);
  if (isStored) return state;
  const { lanes, seen, names } = state;
  const isPlain =
    lanes.length === 1 && lanes[0]?.[2].length === 0 && seen.length === 0 && names === undefined;
  if (isPlain) return null;
  const { ready: _counted, ...rest } = state;
  return rest;
}

/** All of it, as for a queue whose messages are in segments alone. `logIdOf`: the log of a level, where the state is to be restored. */
export function wholeStateOf(
  queue: Queue,
  nowMs: number,
  logIdOf: (level: PriorityLevel) => number,
): QueueState {
  const lanes = queue.levels.map((level) => {
    const acquisitions = [...(level.acquisitions ?? [])];
    const failures = acquisitions.flatMap(([offset]) => [offset, level.failuresOf(offset)]);
    return [level.priority, logIdOf(level), failures, acquisitions.map(([, count]) => count)] as const;
  });
  const seen = queue.deduplicator?.recentKept(nowMs) ?? [];
  const names = queue.deduplicator?.presentKept() ?? [];
  const { id, readyCount: count, readyBytes: bytes } = queue;
  return { id, lanes, seen, ...(names.length > 0 && { names }), ready: { count, bytes } };
}

export function returnOperations(queue: Queue, returns: readonly ReturnCounts[]): QueueOperation[] {
  const byPriority = new Map<number, { readonly counts: number[]; readonly acquired: number[] }>();
  for (const { level, offset, failures, acquisitions } of returns) {
    const of = byPriority.get(level.priority) ?? { counts: [], acquired: [] };
    byPriority.set(level.priority, of);
    of.counts.push(offset, failures);
    of.acquired.push(acquisitions);
  }
  return Array.from(byPriority, ([priority, { counts, acquired }]) => ({
    op: 'queue-state.failures',
    id: queue.id,
    priority,
    counts,
    acquired,
  }));
}

/** Restores the state of queues, from the snapshot and then from the journal. */
export class QueueRecovery {
  readonly #queues = new Map<number, Queue>();
  readonly #deliveredBelow = new Map<number, number>();
  readonly #ready = new Map<number, Amount>();
  /** The last change of shard 0 that was known when the last of the logs was opened; 0 where nothing is followed. */
  followedChange = 0;
  /** Told of the log of a level whose queue is not here: it was deleted later on, or is in another shard by now. */
  onLogOfOther: (id: number) => void = () => undefined;
  #useId: (id: number) => void = () => undefined;

  delivered(pairs: readonly (readonly [number, number])[]): void {
    for (const [id, below] of pairs) this.#deliveredBelow.set(id, below);
  }

  /** A queue was made while the journal is replayed. */
  created(queue: Queue, useId: (id: number) => void): void {
    this.#queues.set(queue.id, queue);
    this.#useId = useId;
  }

  restore({ id, lanes, seen, names, ready }: QueueState): void {
    const queue = this.#queues.get(id);
    if (queue === undefined) return;
    if (ready !== undefined) this.#ready.set(id, ready);
    for (const [priority, laneId, failures, acquired] of lanes) {
      this.#addLevel(queue, priority, laneId);
      const level = levelOf(queue, priority);
      eachCount(failures, acquired, (...counts) => level?.setCounts(...counts));
    }
    for (const [key, untilMs] of seen) queue.deduplicator?.rememberUntil(key, 0, untilMs, true);
    for (const [priority, offset, name] of names ?? []) {
      const level = levelOf(queue, priority);
      if (level !== undefined) queue.deduplicator?.took(name, { level, offset, isKept: true });
    }
  }

  /** Returns the id of a log that is in the journal, be its queue there or not; or null. */
  apply(bytes: Buffer): number | null {
    const operation = decodeQueueOperation(bytes);
    if (operation.op === 'queue-state.open') {
      this.followedChange = Math.max(this.followedChange, operation.change);
      return operation.id;
    }
    const queue = this.#queues.get(operation.id);
    // It was deleted later on.
    if (queue !== undefined && !queue.isRemoved) this.#applyTo(queue, operation);
    else if (operation.op === 'queue-state.lane') this.onLogOfOther(operation.laneId);
    return null;
  }

  #applyTo(queue: Queue, operation: Exclude<QueueOperation, { op: 'queue-state.open' }>): void {
    if (operation.op === 'queue-state.lane') this.#addLevel(queue, operation.priority, operation.laneId);
    else if (operation.op === 'queue-state.failures') {
      const level = levelOf(queue, operation.priority);
      eachCount(operation.counts, operation.acquired, (offset, failures, acquisitions) => {
        // Messages that recovery did not bring back, as transient ones: their offsets may have been given to others since. The
        // journal is in order, so that the message with an offset is the one that was meant.
        if (level !== undefined && offset < level.log.end) level.setCounts(offset, failures, acquisitions);
      });
    } else {
      const { key, untilMs, priority, offset = -1 } = operation;
      if (untilMs !== undefined) queue.deduplicator?.rememberUntil(key, 0, untilMs, true);
      const level = priority === undefined ? undefined : levelOf(queue, priority);
      if (level !== undefined && offset < level.log.end) {
        queue.deduplicator?.took(key, { level, offset, isKept: true });
      }
    }
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
}

function levelOf(queue: Queue, priority: number): PriorityLevel | undefined {
  return queue.levels.find((each) => each.priority === priority);
}

function eachCount(
  counts: readonly number[],
  acquired: readonly number[] | undefined,
  visit: (offset: number, failures: number, acquisitions: number) => void,
): void {
  for (let i = 0; i < counts.length; i += 2)
    visit(counts[i], counts[i + 1], acquired?.[i / 2] ?? counts[i + 1]);
}
