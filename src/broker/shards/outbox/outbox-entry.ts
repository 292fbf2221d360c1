import type { MessageView } from '../../../records/message-view.ts';
import { ContentView, varintLength, writeVarint } from '../../../records/record-content.ts';
import type { OutboxTarget, RemoteSettlement } from '../../shard/outbox-port.ts';

/**
 * An entry of an outbox is a record as any other, so that it goes through journal and segments as they do. Little-endian:
 *
 *     key    u8 kind, u8 flags, then for a message the ids of its queues, u32 each;
 *            for one that goes to streams, too, u32 how many before that, and the ids of logs of their partitions, u32 each;
 *            for one that is delayed there, the name of the virtual host
 *     body   of a message: its content, as it will stand in the queues
 *            of settlements, 40 bytes each: f64 tag, f64 offset, f64 when it was published, u32 log, u32 session, u8 outcome, 7 x 0
 */
const KIND_MESSAGE = 1;
const KIND_SETTLEMENTS = 2;
const KIND_STREAM_MESSAGE = 3;
const KIND_DELAYED_MESSAGE = 4;

const FLAG_PERSISTENT = 1;
const FLAG_PUBLISHED = 2;

const KEY_FIXED_BYTES = 2;
const COUNT_BYTES = 4;
const ID_BYTES = 4;
const NO_STREAMS: readonly number[] = [];
const SETTLEMENT_BYTES = 40;
const OUTCOMES = ['ack', 'drop', 'requeue', 'return'] as const;

/** The bytes of an entry for a message with so many bytes of content. */
export function messageEntryBytes(target: OutboxTarget, contentBytes: number): number {
  return entryBytes(messageKeyBytes(target), contentBytes);
}

function messageKeyBytes({ queues, streams = NO_STREAMS, delayedIn }: OutboxTarget): number {
  if (delayedIn !== undefined) return KEY_FIXED_BYTES + Buffer.byteLength(delayedIn);
  const counted = streams.length === 0 ? 0 : COUNT_BYTES;
  return KEY_FIXED_BYTES + counted + (queues.length + streams.length) * ID_BYTES;
}

export function settlementsEntryBytes(count: number): number {
  return entryBytes(KEY_FIXED_BYTES, count * SETTLEMENT_BYTES);
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
  const { queues, streams = NO_STREAMS, delayedIn } = target;
  const keyBytes = messageKeyBytes(target);
  const contentBytes = messageView.contentBytes();
  const entry = Buffer.allocUnsafe(entryBytes(keyBytes, contentBytes));
  let at = writeVarint(entry, 0, keyBytes);
  entry[at++] = kindOf(target);
  entry[at++] = (isPersistent ? FLAG_PERSISTENT : 0) | (isPublished ? FLAG_PUBLISHED : 0);
  if (delayedIn !== undefined) at += entry.write(delayedIn, at);
  if (streams.length > 0) at = entry.writeUInt32LE(streams.length, at);
  for (const id of streams) at = entry.writeUInt32LE(id, at);
  for (const { id } of queues) at = entry.writeUInt32LE(id, at);
  at = writeVarint(entry, at, contentBytes);
  at = messageView.write(entry, at);
  writeVarint(entry, at, 0);
  return entry;
}

function kindOf({ streams = NO_STREAMS, delayedIn }: OutboxTarget): number {
  if (delayedIn !== undefined) return KIND_DELAYED_MESSAGE;
  return streams.length === 0 ? KIND_MESSAGE : KIND_STREAM_MESSAGE;
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

/** What an entry says; used again for the next one, and valid as long as its bytes are. */
export class EntryView {
  isMessage = false;
  isPersistent = false;
  isPublished = false;
  /** It waits on in a virtual host; otherwise it is for queues and streams. */
  isDelayed = false;
  readonly #content = new ContentView();
  #buffer: Buffer = Buffer.alloc(0);
  #streamsStart = 0;
  #queuesStart = 0;

  /** @throws Error if the bytes are no entry that this version knows */
  parse(buffer: Buffer, start: number, length: number): void {
    const content = this.#content;
    const isWhole = content.parse(buffer, start, length, false);
    const kind = content.keyStart < 0 ? 0 : buffer[content.keyStart];
    if (!isWhole || kind < KIND_MESSAGE || kind > KIND_DELAYED_MESSAGE) {
      throw new Error(`an entry of an outbox, of ${length} bytes and kind ${kind}, cannot be read`);
    }
    const flags = buffer[content.keyStart + 1];
    this.#buffer = buffer;
    this.isMessage = kind !== KIND_SETTLEMENTS;
    this.isDelayed = kind === KIND_DELAYED_MESSAGE;
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
