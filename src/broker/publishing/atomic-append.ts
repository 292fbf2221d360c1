import { batchEntryBytes, metadataEntryBytes } from '../../log/journal/format.ts';
import type { QueueLog } from '../../log/queues/queue-log.ts';
import { Store } from '../../log/store.ts';
import type { MessageView } from '../../records/message-view.ts';
import { recordBytesMax } from '../messages/record-from-message.ts';
import type {
  OutboxEntrance,
  OutboxPort,
  RemoteMarkers,
  RemoteRecord,
  RemoteSettlement,
} from '../shard/outbox-port.ts';
import type { RemoteTarget } from '../shard/remote-publishing.ts';
import type { Shard } from '../shard/shard.ts';
import type { StreamPort } from '../topology/ports.ts';
import { RemoteParts } from './remote-parts.ts';

/** Where a message waits: a priority level of a queue, or a delay bucket. */
export interface TargetLevel {
  /** A message was appended to its log. */
  published(bodyBytes: number): void;
  /** What is published from `offset` on is given to nobody until `release`. */
  hold(offset: number): void;
  /** The oldest hold ends. */
  release(): void;
}

/** What an atomic append holds until it is durable. */
type Held = Pick<TargetLevel, 'hold' | 'release'>;

/** Logs that get the same message: those of a route, or any others. */
export interface AppendTargets {
  /** Told of each message in the log of the same place. */
  readonly levels: readonly TargetLevel[];
  /** Told of a message that expires. */
  readonly queues: readonly { messagesExpire(): void }[];
  readonly logs: readonly QueueLog[];
  /** Those of `logs` that survive a restart. */
  readonly durableLogs: readonly QueueLog[];
  /** Each gets a record, in a partition of this shard or of another one. */
  readonly streams: readonly StreamPort[];
  /** Queues of other shards, which get it by an outbox. */
  readonly remotes: readonly RemoteTarget[];
}

/** More at once would only leave the ends of chunks empty, as a block lies in one chunk. */
const BATCH_BYTES_MAX = 256 * 1024;

/** Appends a message to the queues of a route. True if it was journaled, and so is in the open block. */
export function appendToQueues(
  store: Store,
  targets: AppendTargets,
  messageView: MessageView,
  persistent: boolean,
  timestampMs: number,
  expires: boolean,
): boolean {
  const { levels } = targets;
  const journaled = store.append(targets.logs, targets.durableLogs, persistent, messageView, timestampMs);
  const bodyBytes = messageView.bodyBytes;
  for (let i = 0; i < levels.length; i++) levels[i].published(bodyBytes);
  if (expires) for (const queue of targets.queues) queue.messagesExpire();
  return journaled;
}

/**
 * Several appends that are in one block of the journal, with what is settled and recorded together with them: after a
 * crash there is all of it or nothing. Nobody gets a message of it before the block is durable: if the block were lost, the
 * message would come once more from where it was (a stream, another queue, a delay bucket), and nobody would know that it
 * had been delivered.
 *
 *     excludeSettled ── begin(bytes) ── append, record, settle ... ── end ── (durable) ── held messages are delivered
 */
export class AtomicAppend {
  readonly #shard: Shard;
  /** Those that got a message of the block, and the offset of the first one. */
  #filled = new Map<Held, number>();
  #pendingBytesBefore = 0;

  constructor(shard: Shard) {
    this.#shard = shard;
  }

  /** Bytes of entries that are worth being put into one block, if they need not be in one. */
  get batchBytesMax(): number {
    return Math.min(BATCH_BYTES_MAX, this.#shard.storage.chunkBytes >>> 1);
  }

  /** What was settled until now, by others, is no part of the block: called before `begin`, and before settling for it. */
  excludeSettled(): void {
    this.#shard.store.flushAcknowledgements();
  }

  /** What the acknowledgements take of the journal that were settled after `excludeSettled`. */
  get settledBytes(): number {
    return this.#shard.store.acknowledgementBytes();
  }

  /** `bytes`: what all entries until `end` take at most. */
  begin(bytes: number): void {
    const { journal } = this.#shard.store;
    journal.beginAtomic(bytes);
    this.#pendingBytesBefore = journal.pendingBytes;
  }

  /**
   * To the queues and streams of a route; what a stream would refuse to a publisher it takes here. In outboxes there has to be
   * room. `isPublished`: it comes from a client just now, and was not in a queue or stream before.
   */
  append(
    targets: AppendTargets,
    messageView: MessageView,
    persistent: boolean,
    timestampMs: number,
    expires: boolean,
    isPublished = false,
  ): void {
    const { store } = this.#shard;
    const { levels, logs } = targets;
    if (logs.length > 0) {
      for (let i = 0; i < levels.length; i++) this.#note(levels[i], logs[i]);
      appendToQueues(store, targets, messageView, persistent, timestampMs, expires);
    }
    for (const stream of targets.streams) this.#appendToStream(stream, messageView, timestampMs);
    for (const target of targets.remotes) {
      this.#outboxTo(target.shard).append(target, messageView, persistent, timestampMs, isPublished);
    }
  }

  #appendToStream(stream: StreamPort, messageView: MessageView, timestampMs: number): void {
    if (stream.write(messageView, false) < 0) {
      stream.append(timestampMs);
      return;
    }
    const { shard, ...record } = stream.take();
    this.sendRecord(shard, record, timestampMs);
  }

  /** What clients say of deliveries that come from another shard takes effect there. */
  settleRemotely(shard: number, settlements: readonly RemoteSettlement[], timestampMs: number): void {
    this.#outboxTo(shard).appendSettlements(settlements, timestampMs);
  }

  /** A record for a partition of another shard. */
  sendRecord(shard: number, record: RemoteRecord, timestampMs: number): void {
    this.#outboxTo(shard).appendRecord(record, timestampMs);
  }

  /** A transaction ends in partitions of another shard. */
  sendMarkers(shard: number, markers: RemoteMarkers, timestampMs: number): void {
    this.#outboxTo(shard).appendMarkers(markers, timestampMs);
  }

  #outboxTo(shard: number): OutboxEntrance {
    const outbox = outboxesOf(this.#shard).to(shard);
    this.#note(outbox, outbox.log);
    return outbox;
  }

  record(operation: Uint8Array): void {
    this.#shard.record(operation);
  }

  /** What was settled since `excludeSettled` goes into the block. */
  settle(): void {
    this.#shard.store.flushAcknowledgements();
  }

  /** Returns the block that has to be durable; 0 if nothing of it was journaled, and so nothing has to be. */
  end(): number {
    const { store, turn } = this.#shard;
    const { journal } = store;
    journal.endAtomic();
    turn.schedule();
    const block = journal.pendingBytes === this.#pendingBytesBefore ? 0 : journal.blockNumber;
    this.#holdUntilDurable(block);
    return block;
  }

  #note(level: Held, log: QueueLog): void {
    if (!this.#filled.has(level)) this.#filled.set(level, log.end);
  }

  #holdUntilDurable(block: number): void {
    const filled = this.#filled;
    if (filled.size === 0) return;
    this.#filled = new Map();
    if (block === 0) return;
    for (const [level, offset] of filled) level.hold(offset);
    this.#shard.whenDurable(block, {
      onDurable: () => {
        for (const level of filled.keys()) level.release();
      },
    });
  }
}

/** What a message takes of the journal at most, appended to so many durable logs and streams of this shard. */
export function appendBytesMax(
  durableLogs: number,
  streams: number,
  contentBytes: number,
  propertyBytes?: number,
): number {
  const inQueues = durableLogs === 0 ? 0 : Store.entryBytes(durableLogs, contentBytes);
  return streams === 0 ? inQueues : inQueues + streams * recordBytesMax(contentBytes, propertyBytes);
}

type Outgoing = Pick<AppendTargets, 'streams' | 'remotes'>;

/** Whether some of it may go to other shards: which partition a record goes to is not known before it is made. */
export function mayLeave({ streams, remotes }: Outgoing): boolean {
  if (remotes.length > 0) return true;
  for (let i = 0; i < streams.length; i++) if (streams[i].otherShards.length > 0) return true;
  return false;
}

/** What a message for other shards takes of the journal at most, beside `appendBytesMax`. */
export function outboxBytesMax(
  shard: Shard,
  targets: Outgoing,
  contentBytes: number,
  propertyBytes?: number,
): number {
  if (!mayLeave(targets)) return 0;
  const outboxes = outboxesOf(shard);
  let bytes = outboxes.entryBytesMax(targets.remotes, contentBytes);
  for (const { otherShards } of targets.streams) {
    if (otherShards.length > 0) bytes += outboxes.recordBytesMax(recordBytesMax(contentBytes, propertyBytes));
  }
  return bytes;
}

/** Whether a message has room in the outboxes, beside what was reserved before, whatever partitions its records go to. */
export function reserveOutboxes(outboxes: OutboxPort, targets: Outgoing, contentBytes: number): boolean {
  const { streams, remotes } = targets;
  if (streams.every(({ otherShards }) => otherShards.length === 0))
    return outboxes.reserve(remotes, contentBytes);
  // All of it in one: what is larger than an outbox goes when that is empty.
  const parts = new RemoteParts(outboxes);
  for (const target of remotes) parts.addMessage(target, contentBytes);
  parts.addRecords(streams, contentBytes);
  return parts.reserveMore();
}

/** @throws Error with one shard, which has none */
export function outboxesOf({ outboxes }: Shard): OutboxPort {
  if (outboxes === null) throw new Error('a broker with one shard has no outboxes');
  return outboxes;
}

/** What a record batch takes of the journal at most. */
export function batchBytesMax(bytes: number): number {
  return batchEntryBytes(bytes);
}

/** What an operation of so many bytes takes of the journal. */
export function operationBytes(length: number): number {
  return metadataEntryBytes(length);
}
