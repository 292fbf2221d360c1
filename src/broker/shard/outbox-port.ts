import type { QueueLog } from '../../log/queues/queue-log.ts';
import type { MessageView } from '../../records/message-view.ts';

/** Queues of one other shard. */
export interface OutboxTarget {
  readonly shard: number;
  readonly queues: readonly { readonly id: number }[];
  /** The message goes on waiting there, with those that are delayed in this virtual host. */
  readonly delayedIn?: string;
}

/** What a client has said of a delivery that came from a queue of another shard. */
export interface RemoteSettlement {
  /** The consumer's session there, and what it calls the delivery. */
  readonly session: number;
  readonly tag: number;
  /** Where the message is: what is left of the delivery when the session did not survive a crash. */
  readonly logId: number;
  readonly offset: number;
  readonly publishedMs: number;
  readonly outcome: 'ack' | 'drop' | 'requeue' | 'return';
}

/** A record for a partition of another shard. */
export interface RemoteRecord {
  /** The id of the partition's log. */
  readonly logId: number;
  /** As `Partition.gather` takes it. */
  readonly content: Buffer;
  /** See `Partition.gather`. */
  readonly hasForeignEnvelope: boolean;
}

/** The end of a transaction in partitions of another shard. */
export interface RemoteMarkers {
  /** The ids of the partitions' logs. */
  readonly logIds: readonly number[];
  readonly producerId: number;
  /** Of the markers: partitions refuse batches with an older one. */
  readonly epoch: number;
  readonly isCommit: boolean;
}

/** The end of an outbox that entries are appended to, in an atomic append. */
export interface OutboxEntrance {
  readonly log: QueueLog;
  /** `isPublished`: by a client just now, so that queues which deduplicate look at it. */
  append(
    target: OutboxTarget,
    messageView: MessageView,
    persistent: boolean,
    timestampMs: number,
    isPublished: boolean,
  ): void;
  appendSettlements(settlements: readonly RemoteSettlement[], timestampMs: number): void;
  appendRecord(record: RemoteRecord, timestampMs: number): void;
  appendMarkers(markers: RemoteMarkers, timestampMs: number): void;
  /** `listener` is called once, when all entries below this offset are durable in the other shard: at once if they are. */
  whenSettled(end: number, listener: () => void): void;
  /** What is appended from `offset` on is not sent until `release`. */
  hold(offset: number): void;
  release(): void;
}

/** What leaves this shard for others: see docs/design/shard-outbox.md. */
export interface OutboxPort {
  /** What the entries of a message take of the journal at most. */
  entryBytesMax(targets: readonly OutboxTarget[], contentBytes: number): number;
  settlementBytesMax(count: number): number;
  recordBytesMax(contentBytes: number): number;
  markersBytesMax(partitions: number): number;
  /** From here on `reserve` counts anew: what is reserved is appended before anything else happens. */
  beginReserving(): void;
  /** Whether a message has room in the outboxes of all these shards, beside what was reserved before. */
  reserve(targets: readonly OutboxTarget[], contentBytes: number): boolean;
  /** As `reserve`, of so many entries and bytes for one shard: all of them, also if they are more than an outbox holds, once it is empty. */
  reserveAll(shard: number, entries: number, bytes: number): boolean;
  /** After a refusal: `listener` is called once, when it is time to ask again. */
  whenRoom(listener: () => void): void;
  to(shard: number): OutboxEntrance;
}
