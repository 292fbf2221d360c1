import { isAccessOperation } from '../../broker/access/operations.ts';
import {
  decodeQueueOperation,
  isQueueOperation,
  type QueueOperation,
} from '../../broker/queues/queue-operations.ts';
import type { QueueState } from '../../broker/queues/queue-recovery.ts';
import { decodeStreamOperation, type StreamOperation } from '../../broker/streams/stream-operations.ts';
import { type DelayBucketChanged, decodeOperation } from '../../broker/topology/metadata.ts';

/** The fields of the broker's snapshot that name logs and their owners. */
interface BrokerSnapshot {
  readonly metadata: readonly string[];
  readonly queues?: readonly QueueState[];
  readonly parts?: readonly string[];
}

const STREAM = '{"op":"stream.';
/** The operations on the topology that name a log. */
const WITH_LOG = /^\{"op":"(queue|delay)\./;

/** Which queue, stream partition or delay bucket each log of a data directory belongs to, by snapshot and journal. */
export class LogOwners {
  readonly byLog = new Map<number, string>();
  /** Deleted since the snapshot was taken: their files may be gone. */
  readonly deleted = new Set<number>();
  /** The logs of a queue's priority levels, without its first log, whose number is the queue's id. */
  readonly #priorityLogs = new Map<number, readonly number[]>();
  /** By stream, in the order of its partitions. */
  readonly #partitions = new Map<string, number[]>();

  readSnapshot(broker: unknown): void {
    const { metadata = [], queues = [], parts = [] } = (broker ?? {}) as Partial<BrokerSnapshot>;
    for (const text of [...metadata, ...parts]) this.apply(Buffer.from(text, 'utf8'));
    for (const { id, lanes: levels } of queues) {
      this.#priorityLogs.set(
        id,
        levels.map(([, levelId]) => levelId),
      );
      for (const [priority, levelId] of levels) {
        if (levelId !== id) this.byLog.set(levelId, `${this.byLog.get(id)}, of priority ${priority},`);
      }
    }
  }

  /** An operation of the broker, from the snapshot or the journal. */
  apply(bytes: Buffer): void {
    const start = bytes.toString('latin1', 0, 40);
    if (isQueueOperation(bytes)) this.#applyQueueState(decodeQueueOperation(bytes));
    if (start.startsWith(STREAM)) this.#applyStream(decodeStreamOperation(bytes));
    if (!WITH_LOG.test(start) || isAccessOperation(bytes)) return;
    const operation = decodeOperation(bytes);
    switch (operation.op) {
      case 'queue.declare':
        this.byLog.set(operation.id, `messages of queue '${operation.name}' in vhost '${operation.vhost}'`);
        return;
      case 'queue.delete':
        for (const id of [operation.id, ...(this.#priorityLogs.get(operation.id) ?? [])])
          this.deleted.add(id);
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
    if (operation.op !== 'queue-state.lane') return;
    const { id, priority, laneId: levelId } = operation;
    this.byLog.set(levelId, `${this.byLog.get(id)}, of priority ${priority},`);
    this.#priorityLogs.set(id, [...(this.#priorityLogs.get(id) ?? []), levelId]);
  }

  #applyStream(operation: StreamOperation): void {
    const known = this.#partitions.get(operation.id) ?? [];
    switch (operation.op) {
      case 'stream.create': {
        this.#partitions.set(operation.id, [...operation.partitions]);
        const { name, vhost } = operation;
        for (const [partition, id] of operation.partitions.entries()) {
          this.byLog.set(id, `records of stream '${name}' in vhost '${vhost}', partition ${partition},`);
        }
        return;
      }
      case 'stream.extend': {
        const first = this.byLog.get(known[0] ?? -1) ?? `records of stream ${operation.id}, partition 0,`;
        for (const id of operation.partitions) {
          this.byLog.set(id, first.replace(/partition \d+,$/, `partition ${known.length},`));
          known.push(id);
        }
        return;
      }
      case 'stream.delete':
        for (const id of known) this.deleted.add(id);
        return;
    }
  }
}

function delayedIn({ vhost, startMs, widthMs }: DelayBucketChanged): string {
  const [from, to] = [startMs, startMs + widthMs].map((ms) => new Date(ms).toISOString());
  return `delayed messages in vhost '${vhost}', due from ${from} to ${to},`;
}
