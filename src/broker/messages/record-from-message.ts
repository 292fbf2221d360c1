import type { Table } from '../../base/value.ts';
import { MessageView } from '../../records/message-view.ts';
import {
  attributesLength,
  contentLength,
  ENVELOPE_NAME,
  writeContent,
} from '../../records/record-content.ts';
import { headerLength, writeHeader } from '../../records/record-header.ts';
import { HIDDEN_KEYS_HEADER } from './cc-bcc.ts';
import { headerBytes } from './header-text.ts';
import { HEADERS_BYTES_MAX, KEY_HEADER, SHARED_PROPERTIES, TOMBSTONE_HEADER } from './mapping-headers.ts';
import type { PropertyCodec } from './property-codec.ts';

/** The key that a message has as a record; none if `start` is -1. */
export interface RecordKey {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
}

interface Header {
  readonly name: Buffer;
  readonly value: Uint8Array | null;
}

const NO_KEY: RecordKey = { bytes: Buffer.alloc(0), start: -1, end: -1 };

const NO_HEADERS: readonly Header[] = [];

/** The record that is being written. It is delivered at once: a delay was waited for before. */
const record = new MessageView();

/** Headers that a record says otherwise, that are ours alone, or that readers do not get to see. */
const NOT_COPIED: ReadonlySet<string> = new Set([
  KEY_HEADER,
  TOMBSTONE_HEADER,
  ENVELOPE_NAME,
  HIDDEN_KEYS_HEADER,
]);

/**
 * The routing key; but none is no key, and neither is the name of the stream by which the default exchange leads to it:
 * all that is published so would be in one partition.
 */
export function recordKey(messageView: MessageView, headers: Table | null): RecordKey {
  const key = headers?.[KEY_HEADER];
  if (key instanceof Uint8Array) return { bytes: Buffer.from(key), start: 0, end: key.length };
  const isDefault = messageView.exchangeEnd === messageView.exchangeStart;
  if (isDefault || messageView.keyEnd <= messageView.keyStart) return NO_KEY;
  return { bytes: messageView.key, start: messageView.keyStart, end: messageView.keyEnd };
}

/**
 * The message as the content of a stream's record (`record-content.ts`): behind the envelope come its properties and
 * headers once more, in the form that they have for everybody else.
 *
 *     key | body | count | sluice.envelope | content-type, … | the message's own headers
 */
export function writeRecord(
  messageView: MessageView,
  key: RecordKey,
  codec: PropertyCodec | undefined,
  headers: Table | null,
): Buffer {
  const { properties, propertiesStart, propertiesEnd, body, bodyStart, bodyEnd } = messageView;
  const isTombstone = headers?.[TOMBSTONE_HEADER] === true && bodyEnd === bodyStart;
  const all = codec === undefined ? NO_HEADERS : headersOf(messageView, codec, headers);
  let moreBytes = 0;
  for (const { name, value } of all) moreBytes += headerLength(name, value);
  // The envelope has them nevertheless.
  const isTooMuch = moreBytes > textBytesMax(propertiesEnd - propertiesStart);
  const more = isTooMuch ? NO_HEADERS : all;
  let length = contentLength(
    key.start < 0 ? -1 : key.end - key.start,
    bodyEnd - bodyStart,
    messageView.exchangeEnd - messageView.exchangeStart,
    propertiesEnd - propertiesStart,
    attributesLength(
      messageView.ttlMs,
      messageView.priority,
      -1,
      messageView.hiddenKeysEnd - messageView.hiddenKeysStart,
    ),
    more.length,
  );
  if (!isTooMuch) length += moreBytes;
  const content = Buffer.allocUnsafe(length);
  record.key = key.bytes;
  record.keyStart = key.start;
  record.keyEnd = key.end;
  record.body = body;
  record.bodyStart = isTombstone ? 1 : bodyStart;
  record.bodyEnd = isTombstone ? 0 : bodyEnd;
  record.exchange = messageView.exchange;
  record.exchangeStart = messageView.exchangeStart;
  record.exchangeEnd = messageView.exchangeEnd;
  record.protocol = messageView.protocol;
  record.properties = properties;
  record.propertiesStart = propertiesStart;
  record.propertiesEnd = propertiesEnd;
  record.ttlMs = messageView.ttlMs;
  record.priority = messageView.priority;
  record.hiddenKeys = messageView.hiddenKeys;
  record.hiddenKeysStart = messageView.hiddenKeysStart;
  record.hiddenKeysEnd = messageView.hiddenKeysEnd;
  let at = writeContent(content, 0, record, more.length);
  record.clear();
  for (const { name, value } of more) at = writeHeader(content, at, name, value);
  return content;
}

/**
 * At most so many bytes of a journal's block, for those who have to say so beforehand. Headers take more room as text; where
 * it is not known how much of the content they are, they may be all of it.
 */
export function recordBytesMax(contentBytes: number, propertiesBytes: number = contentBytes): number {
  return textBytesMax(propertiesBytes) + contentBytes + 512;
}

/** Of headers as text, which is left out where it is more: only with a `frame-max` above the usual one it can be. */
function textBytesMax(propertiesBytes: number): number {
  return 16 * Math.min(propertiesBytes, HEADERS_BYTES_MAX);
}

function headersOf(messageView: MessageView, codec: PropertyCodec, table: Table | null): readonly Header[] {
  const { properties, propertiesStart, propertiesEnd } = messageView;
  const headers: Header[] = [];
  for (const name of SHARED_PROPERTIES) {
    const text = codec.property(properties, propertiesStart, propertiesEnd, name);
    if (text !== null) headers.push({ name: Buffer.from(name, 'latin1'), value: Buffer.from(text, 'utf8') });
  }
  if (table === null) return headers;
  for (const name of Object.keys(table)) {
    if (NOT_COPIED.has(name)) continue;
    headers.push({ name: Buffer.from(name, 'utf8'), value: headerBytes(table[name] ?? null) });
  }
  return headers;
}
