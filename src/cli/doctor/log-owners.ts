import { isAccessOperation } from '../../broker/access/operations.ts';
import {
  decodeQueueOperation,
  isQueueOperation,
  type QueueOperation,
} from '../../broker/queues/queue-operations.ts';
import type { QueueState } from '../../broker/queues/queue-recovery.ts';
import { isMetadataChange } from '../../broker/shards/metadata-changes.ts';
import {
  decodeMoveOperation,
  type MoveOperation,
  type Taken,
} from '../../broker/shards/move/moved-queues.ts';
import { decodeOutboxOperation, type OutboxOperation } from '../../broker/shards/outbox/outbox-operations.ts';
import { type NamedPlaces, placesOf } from '../../broker/streams/partition-place.ts';
import { decodeStreamOperation, type StreamOperation } from '../../broker/streams/stream-operations.ts';
import { type DelayBucketChanged, decodeOperation } from '../../broker/topology/metadata.ts';

/** The fields of the broker's snapshot that name logs and their owners. */
interface BrokerSnapshot {
  readonly metadata: readonly string[];
  readonly queues?: readonly QueueState[];
  readonly parts?: readonly string[];
  readonly followedChange?: number;
  readonly changes?: number;
  readonly taken?: Taken;
}

const STREAM = '{"op":"stream.';
const OUTBOX = '{"op":"outbox.';
const MOVED = '{"op":"moved.';
/** The operations on the topology that name a log. */
const WITH_LOG = /^\{"op":"(queue|delay)\./;

/**
 * Which queue, stream partition or delay bucket each log of a data directory belongs to, by snapshot and journal. That of another
 * shard than 0 knows names from shard 0: ids of logs that shard 0 gives are given once.
 */
export class LogOwners {
  readonly byLog: Map<number, string>;
  /** Deleted since the snapshot was taken: their files may be gone. */
  readonly deleted: Set<number>;
  /** The shards of queues and partitions that are in others than shard 0. */
  readonly shardOf = new Map<number, number>();
  /** In another shard than 0: the logs that its journal says were opened. */
  readonly opened = new Set<number>();
  /** Logs of other shards that were being copied here, and are of no use: the next start deletes what is there of them. */
  readonly copies = new Set<number>();
  /** In another shard than 0: how many changes of the metadata it knows. */
  followedChange = 0;
  /** In shard 0: how many there were. */
  changes = 0;
  readonly #metadata: LogOwners | null;
  /** The logs of a queue's priority levels, without its first log, whose number is the queue's id. */
  readonly #priorityLogs = new Map<number, readonly number[]>();
  /** By stream, in the order of its partitions. */
  readonly #partitions = new Map<string, number[]>();

  /** `metadata`: of shard 0, for another one. */
  constructor(metadata: LogOwners | null = null) {
    this.#metadata = metadata;
    this.byLog = new Map(metadata?.byLog);
    this.deleted = new Set(metadata?.deleted);
  }

  /** Those that are in this shard. */
  of(shard: number): ReadonlyMap<number, string> {
    const { shardOf, byLog: known } = this.#metadata ?? { shardOf: this.shardOf, byLog: new Map() };
    const isHere = (id: number): boolean =>
      shard === 0 ? !shardOf.has(id) : !known.has(id) || shardOf.get(id) === shard;
    return new Map([...this.byLog].filter(([id]) => isHere(id)));
  }

  /** Whether shard 0 says that what the log belongs to is in another shard than this one, as after a move that was interrupted. */
  isElsewhere(logId: number, shard: number): boolean {
    const metadata = this.#metadata;
    if (metadata === null) return false;
    let id = logId;
    for (const [queueId, levels] of this.#priorityLogs) if (levels.includes(logId)) id = queueId;
    return metadata.byLog.has(id) && (metadata.shardOf.get(id) ?? 0) !== shard;
  }

  readSnapshot(broker: unknown): void {
    const {
      metadata = [],
      queues = [],
      parts = [],
      followedChange = 0,
      changes = 0,
      taken,
    } = (broker ?? {}) as Partial<BrokerSnapshot>;
    this.followedChange = followedChange;
    for (const text of [...metadata, ...parts]) this.apply(Buffer.from(text, 'utf8'));
    this.changes = changes;
    for (const { id, lanes: levels } of [...queues, ...(taken?.queues ?? [])]) {
      this.#priorityLogs.set(
        id,
        levels.map(([, levelId]) => levelId),
      );
      for (const [priority, levelId] of levels) {
        if (levelId !== id) this.#addLevel(id, priority, levelId);
      }
    }
  }

  /** An operation of the broker, from the snapshot or the journal. */
  apply(bytes: Buffer): void {
    const start = bytes.toString('latin1', 0, 40);
    if (isMetadataChange(bytes)) this.changes++;
    if (isQueueOperation(bytes)) this.#applyQueueState(decodeQueueOperation(bytes));
    if (start.startsWith(OUTBOX)) this.#applyOutbox(decodeOutboxOperation(bytes));
    if (start.startsWith(MOVED)) this.#applyMove(decodeMoveOperation(bytes));
    if (start.startsWith(STREAM)) this.#applyStream(decodeStreamOperation(bytes));
    if (!WITH_LOG.test(start) || isAccessOperation(bytes)) return;
    const operation = decodeOperation(bytes);
    switch (operation.op) {
      case 'queue.declare':
        this.byLog.set(operation.id, `messages of queue '${operation.name}' in vhost '${operation.vhost}'`);
        if ((operation.shard ?? 0) !== 0) this.shardOf.set(operation.id, operation.shard as number);
        return;
      case 'queue.delete':
        for (const id of [operation.id, ...(this.#priorityLogs.get(operation.id) ?? [])])
          this.deleted.add(id);
        this.shardOf.delete(operation.id);
        return;
      case 'delay.bucket-add':
        this.byLog.set(operation.id, delayedIn(operation));
        return;
      case 'delay.bucket-remove':
        this.deleted.add(operation.id);
        return;
    }
  }

  #applyQueueState(operation: QueueOperation): void {
    if (operation.op === 'queue-state.open') {
      this.opened.add(operation.id);
      this.followedChange = Math.max(this.followedChange, operation.change);
    }
    if (operation.op !== 'queue-state.lane') return;
    const { id, priority, laneId: levelId } = operation;
    this.#addLevel(id, priority, levelId);
    this.#priorityLogs.set(id, [...(this.#priorityLogs.get(id) ?? []), levelId]);
  }

  #addLevel(id: number, priority: number, levelId: number): void {
    const owner = this.byLog.get(id) ?? `messages of log ${id}`;
    this.byLog.set(levelId, `${owner}, of priority ${priority},`);
    // Where the deletion is known before the levels are.
    if (this.deleted.has(id)) this.deleted.add(levelId);
  }

  #applyOutbox(operation: OutboxOperation): void {
    if (operation.op === 'outbox.open')
      this.byLog.set(operation.id, `messages on their way to shard ${operation.to}`);
  }

  #applyMove(operation: MoveOperation): void {
    if (operation.op === 'moved.copies') for (const id of operation.ids) this.copies.add(id);
  }

  #applyStream(operation: StreamOperation): void {
    const known = this.#partitions.get(operation.id) ?? [];
    switch (operation.op) {
      case 'stream.create': {
        this.#partitions.set(operation.id, [...operation.partitions]);
        const { name, vhost } = operation;
        this.#place(operation);
        for (const [partition, id] of operation.partitions.entries()) {
          this.byLog.set(id, `records of stream '${name}' in vhost '${vhost}', partition ${partition},`);
        }
        return;
      }
      case 'stream.extend': {
        const first = this.byLog.get(known[0] ?? -1) ?? `records of stream ${operation.id}, partition 0,`;
        this.#place(operation);
        for (const id of operation.partitions) {
          this.byLog.set(id, first.replace(/partition \d+,$/, `partition ${known.length},`));
          known.push(id);
        }
        return;
      }
      case 'stream.delete':
        for (const id of known) {
          this.deleted.add(id);
          this.shardOf.delete(id);
        }
        return;
    }
  }

  #place(named: NamedPlaces): void {
    for (const { id, shard } of placesOf(named)) if (shard !== 0) this.shardOf.set(id, shard);
  }
}

function delayedIn({ vhost, startMs, widthMs }: DelayBucketChanged): string {
  const [from, to] = [startMs, startMs + widthMs].map((ms) => new Date(ms).toISOString());
  return `delayed messages in vhost '${vhost}', due from ${from} to ${to},`;
}
