import type { MessageView } from '../../../records/message-view.ts';
import { ContentView, varintLength, writeVarint } from '../../../records/record-content.ts';
import type { OutboxTarget, RemoteMarkers, RemoteRecord, RemoteSettlement } from '../../shard/outbox-port.ts';

/**
 * An entry of an outbox is a record as any other, so that it goes through journal and segments as they do. Little-endian:
 *
 *     key    u8 kind, u8 flags, then for a message the ids of its queues, u32 each;
 *            for one that is delayed there, the name of the virtual host
 *            of a record or markers the ids of the logs of their partitions, u32 each;
 *            in what earlier versions wrote of a message for streams, u32 how many before the queues, and the ids of logs of theirs
 *     body   of a message: its content, as it will stand in the queues
 *            of settlements, 40 bytes each: f64 tag, f64 offset, f64 when it was published, u32 log, u32 session, u8 outcome, 7 x 0
 *            of a record: its content
 *            of markers: f64 producer id, i16 epoch
 */
const KIND_MESSAGE = 1;
const KIND_SETTLEMENTS = 2;
const KIND_STREAM_MESSAGE = 3;
const KIND_RECORD = 4;
const KIND_MARKERS = 5;
const KIND_DELAYED_MESSAGE = 6;

const FLAG_PERSISTENT = 1;
const FLAG_PUBLISHED = 2;
const FLAG_FOREIGN_ENVELOPE = 4;
const FLAG_COMMIT = 8;

const KEY_FIXED_BYTES = 2;
const COUNT_BYTES = 4;
const ID_BYTES = 4;
const SETTLEMENT_BYTES = 40;
const MARKER_BYTES = 10;
const OUTCOMES = ['ack', 'drop', 'requeue', 'return'] as const;

/** The bytes of an entry for a message with so many bytes of content. */
export function messageEntryBytes(target: OutboxTarget, contentBytes: number): number {
  return entryBytes(messageKeyBytes(target), contentBytes);
}

function messageKeyBytes({ queues, delayedIn }: OutboxTarget): number {
  if (delayedIn !== undefined) return KEY_FIXED_BYTES + Buffer.byteLength(delayedIn);
  return KEY_FIXED_BYTES + queues.length * ID_BYTES;
}

export function settlementsEntryBytes(count: number): number {
  return entryBytes(KEY_FIXED_BYTES, count * SETTLEMENT_BYTES);
}

export function recordEntryBytes(contentBytes: number): number {
  return entryBytes(KEY_FIXED_BYTES + ID_BYTES, contentBytes);
}

export function markersEntryBytes(partitions: number): number {
  return entryBytes(KEY_FIXED_BYTES + partitions * ID_BYTES, MARKER_BYTES);
}

function entryBytes(keyBytes: number, bodyBytes: number): number {
  return varintLength(keyBytes) + keyBytes + varintLength(bodyBytes) + bodyBytes + varintLength(0);
}

export function encodeMessageEntry(
  target: OutboxTarget,
  messageView: MessageView,
  isPersistent: boolean,
  isPublished: boolean,
): Buffer {
  const { queues, delayedIn } = target;
  const keyBytes = messageKeyBytes(target);
  const contentBytes = messageView.contentBytes();
  const entry = Buffer.allocUnsafe(entryBytes(keyBytes, contentBytes));
  let at = writeVarint(entry, 0, keyBytes);
  entry[at++] = delayedIn === undefined ? KIND_MESSAGE : KIND_DELAYED_MESSAGE;
  entry[at++] = (isPersistent ? FLAG_PERSISTENT : 0) | (isPublished ? FLAG_PUBLISHED : 0);
  if (delayedIn !== undefined) at += entry.write(delayedIn, at);
  for (const { id } of queues) at = entry.writeUInt32LE(id, at);
  at = writeVarint(entry, at, contentBytes);
  at = messageView.write(entry, at);
  writeVarint(entry, at, 0);
  return entry;
}

export function encodeSettlementsEntry(settlements: readonly RemoteSettlement[]): Buffer {
  const bodyBytes = settlements.length * SETTLEMENT_BYTES;
  const entry = Buffer.alloc(entryBytes(KEY_FIXED_BYTES, bodyBytes));
  let at = writeVarint(entry, 0, KEY_FIXED_BYTES);
  entry[at++] = KIND_SETTLEMENTS;
  entry[at++] = 0;
  at = writeVarint(entry, at, bodyBytes);
  for (const { tag, offset, publishedMs, logId, session, outcome } of settlements) {
    entry.writeDoubleLE(tag, at);
    entry.writeDoubleLE(offset, at + 8);
    entry.writeDoubleLE(publishedMs, at + 16);
    entry.writeUInt32LE(logId, at + 24);
    entry.writeUInt32LE(session, at + 28);
    entry[at + 32] = OUTCOMES.indexOf(outcome);
    at += SETTLEMENT_BYTES;
  }
  return entry;
}

export function encodeRecordEntry({ logId, content, hasForeignEnvelope }: RemoteRecord): Buffer {
  const entry = Buffer.allocUnsafe(recordEntryBytes(content.length));
  const flags = hasForeignEnvelope ? FLAG_FOREIGN_ENVELOPE : 0;
  let at = writePartitionsKey(entry, KIND_RECORD, flags, [logId]);
  at = writeVarint(entry, at, content.length);
  at += content.copy(entry, at);
  writeVarint(entry, at, 0);
  return entry;
}

export function encodeMarkersEntry({ logIds, producerId, epoch, isCommit }: RemoteMarkers): Buffer {
  const entry = Buffer.allocUnsafe(markersEntryBytes(logIds.length));
  let at = writePartitionsKey(entry, KIND_MARKERS, isCommit ? FLAG_COMMIT : 0, logIds);
  at = writeVarint(entry, at, MARKER_BYTES);
  at = entry.writeDoubleLE(producerId, at);
  at = entry.writeInt16LE(epoch, at);
  writeVarint(entry, at, 0);
  return entry;
}

function writePartitionsKey(entry: Buffer, kind: number, flags: number, logIds: readonly number[]): number {
  let at = writeVarint(entry, 0, KEY_FIXED_BYTES + logIds.length * ID_BYTES);
  entry[at++] = kind;
  entry[at++] = flags;
  for (const id of logIds) at = entry.writeUInt32LE(id, at);
  return at;
}

export type EntryKind = 'message' | 'delayed' | 'settlements' | 'record' | 'markers';

const KINDS: ReadonlyMap<number, EntryKind> = new Map<number, EntryKind>([
  [KIND_MESSAGE, 'message'],
  [KIND_SETTLEMENTS, 'settlements'],
  [KIND_STREAM_MESSAGE, 'message'],
  [KIND_RECORD, 'record'],
  [KIND_MARKERS, 'markers'],
  [KIND_DELAYED_MESSAGE, 'delayed'],
]);

/** What an entry says; used again for the next one, and valid as long as its bytes are. */
export class EntryView {
  kind: EntryKind = 'message';
  isPersistent = false;
  isPublished = false;
  readonly #content = new ContentView();
  #buffer: Buffer = Buffer.alloc(0);
  #flags = 0;
  #streamsStart = 0;
  #queuesStart = 0;

  /** @throws Error if the bytes are no entry that this version knows */
  parse(buffer: Buffer, start: number, length: number): void {
    const content = this.#content;
    const isWhole = content.parse(buffer, start, length, false);
    const kind = content.keyStart < 0 ? 0 : buffer[content.keyStart];
    const known = KINDS.get(kind);
    if (!isWhole || known === undefined) {
      throw new Error(`an entry of an outbox, of ${length} bytes and kind ${kind}, cannot be read`);
    }
    const flags = buffer[content.keyStart + 1];
    this.#buffer = buffer;
    this.kind = known;
    this.#flags = flags;
    const idsStart = content.keyStart + KEY_FIXED_BYTES;
    const streams = kind === KIND_STREAM_MESSAGE ? buffer.readUInt32LE(idsStart) : 0;
    this.#streamsStart = streams === 0 ? idsStart : idsStart + COUNT_BYTES;
    this.#queuesStart = this.#streamsStart + streams * ID_BYTES;
    this.isPersistent = (flags & FLAG_PERSISTENT) !== 0;
    this.isPublished = (flags & FLAG_PUBLISHED) !== 0;
  }

  /** Where the ids of the queues and streams are, and the flags before them: two messages with the same bytes go the same way. */
  get key(): Buffer {
    return this.#buffer.subarray(this.#content.keyStart, this.#content.keyEnd);
  }

  /** Of a message that is delayed: the name of its virtual host. */
  get delayedIn(): string {
    const { keyStart, keyEnd } = this.#content;
    return this.#buffer.toString('utf8', keyStart + KEY_FIXED_BYTES, keyEnd);
  }

  *queueIds(): Generator<number> {
    const { keyEnd } = this.#content;
    for (let at = this.#queuesStart; at < keyEnd; at += ID_BYTES) yield this.#buffer.readUInt32LE(at);
  }

  *streamIds(): Generator<number> {
    for (let at = this.#streamsStart; at < this.#queuesStart; at += ID_BYTES)
      yield this.#buffer.readUInt32LE(at);
  }

  /** The content of the message, where it lies. */
  get content(): Buffer {
    return this.#buffer.subarray(this.#content.bodyStart, this.#content.bodyEnd);
  }

  /** Its content lies where the entry does. */
  get record(): RemoteRecord {
    const hasForeignEnvelope = (this.#flags & FLAG_FOREIGN_ENVELOPE) !== 0;
    const logId = this.#buffer.readUInt32LE(this.#content.keyStart + KEY_FIXED_BYTES);
    return { logId, content: this.content, hasForeignEnvelope };
  }

  get markers(): RemoteMarkers {
    const { keyStart, keyEnd, bodyStart } = this.#content;
    const logIds: number[] = [];
    for (let at = keyStart + KEY_FIXED_BYTES; at < keyEnd; at += ID_BYTES)
      logIds.push(this.#buffer.readUInt32LE(at));
    return {
      logIds,
      producerId: this.#buffer.readDoubleLE(bodyStart),
      epoch: this.#buffer.readInt16LE(bodyStart + 8),
      isCommit: (this.#flags & FLAG_COMMIT) !== 0,
    };
  }

  *settlements(): Generator<RemoteSettlement> {
    const { bodyStart, bodyEnd } = this.#content;
    const buffer = this.#buffer;
    for (let at = bodyStart; at < bodyEnd; at += SETTLEMENT_BYTES) {
      yield {
        tag: buffer.readDoubleLE(at),
        offset: buffer.readDoubleLE(at + 8),
        publishedMs: buffer.readDoubleLE(at + 16),
        logId: buffer.readUInt32LE(at + 24),
        session: buffer.readUInt32LE(at + 28),
        outcome: OUTCOMES[buffer[at + 32]],
      };
    }
  }
}
