import type { QueueState } from '../../queues/queue-recovery.ts';
import type { SnapshotSection } from '../../shard/snapshot-section.ts';

/**
 * What the journals keep of queues and partitions that are moved from one shard to another, in UTF-8 as JSON:
 *
 *     queues   in shard 0: those that are elsewhere by now; the shard that they left may have their logs still
 *     copies   in the shard that takes them: logs that are about to be copied. What is there of them is of no use, unless a
 *              snapshot has them
 */
export type MoveOperation =
  | { readonly op: 'moved.queues'; readonly from: number; readonly ids: readonly number[] }
  | { readonly op: 'moved.copies'; readonly ids: readonly number[] };

/** Ids of one operation. */
const IDS_MAX = 1000;

export function encodeMoveOperation(operation: MoveOperation): Uint8Array {
  return Buffer.from(JSON.stringify(operation), 'utf8');
}

/** @throws Error if it is not an operation that this version knows */
export function decodeMoveOperation(bytes: Uint8Array): MoveOperation {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8');
  const operation = JSON.parse(text) as MoveOperation;
  const isKnown =
    Array.isArray(operation.ids) &&
    (operation.op === 'moved.copies' ||
      (operation.op === 'moved.queues' && Number.isSafeInteger(operation.from)));
  if (!isKnown) throw new Error(`unknown metadata operation: ${text.slice(0, 200)}`);
  return operation;
}

/** Operations for any number of ids. */
export function* operationsOf(
  ids: readonly number[],
  operationOf: (ids: readonly number[]) => MoveOperation,
): Generator<Uint8Array> {
  for (let at = 0; at < ids.length; at += IDS_MAX)
    yield encodeMoveOperation(operationOf(ids.slice(at, at + IDS_MAX)));
}

/** What a shard has taken over: in its snapshot, whose reader takes what the metadata says is here. */
export interface Taken {
  /** The id of a log and the offset below which messages were handed out, in pairs. */
  readonly delivered: (readonly [number, number])[];
  readonly queues: QueueState[];
  /** Of partitions of streams: operations, of sections of the snapshot. */
  readonly parts: string[];
}

export const NOTHING_TAKEN: Taken = { delivered: [], queues: [], parts: [] };

export interface MovedQueuesDeps {
  /** Whether this is shard 0 of several, which remembers for all. */
  readonly isKept: boolean;
  /** The journal knows of a log with this id. */
  named(id: number): void;
}

/** What a shard knows of queues that were moved: see docs/design/shard-move.md. */
export class MovedQueues implements SnapshotSection {
  readonly prefix = 'moved';
  /** Since this start, by this shard. */
  readonly taken: Taken = { delivered: [], queues: [], parts: [] };
  readonly #deps: MovedQueuesDeps;
  /** By the shard that they left. */
  readonly #left = new Map<number, Set<number>>();

  constructor(deps: MovedQueuesDeps) {
    this.#deps = deps;
  }

  get hasTaken(): boolean {
    return this.taken.delivered.length + this.taken.parts.length > 0;
  }

  /** Whether the queue, or the partition of a stream, was in this shard before it came to the one that the metadata says. */
  hasLeft(shard: number, id: number): boolean {
    return this.#left.get(shard)?.has(id) === true;
  }

  leave(shard: number, ids: readonly number[]): void {
    const left = this.#left.get(shard) ?? new Set();
    this.#left.set(shard, left);
    for (const id of ids) left.add(id);
  }

  /** The shards that queues have left are gone, with all that was in them. */
  forget(): void {
    this.#left.clear();
  }

  apply(bytes: Uint8Array): void {
    const operation = decodeMoveOperation(bytes);
    if (operation.op === 'moved.queues') this.leave(operation.from, operation.ids);
    else for (const id of operation.ids) this.#deps.named(id);
  }

  *snapshot(): Generator<Uint8Array> {
    if (this.#deps.isKept) yield* this.all();
  }

  /** For a shard that begins to follow. */
  *all(): Generator<Uint8Array> {
    for (const [from, ids] of this.#left)
      yield* operationsOf([...ids], (some) => ({ op: 'moved.queues', from, ids: some }));
  }
}
