import { isUtf8 } from 'node:buffer';
import type { Table, Value } from '../../base/value.ts';
import { decodeHiddenKeys } from '../../records/hidden-keys.ts';
import type { MessageView } from '../../records/message-view.ts';
import { ContentView, ENVELOPE_NAME } from '../../records/record-content.ts';
import type { RecordCursor } from '../../records/record-cursor.ts';
import { HeaderView } from '../../records/record-header.ts';
import { BrokerError } from '../errors.ts';
import { extraKeys, HIDDEN_KEYS_HEADER, KEY_LIST_HEADERS } from './cc-bcc.ts';
import {
  BROKER_HEADERS,
  KEY_HEADER,
  LONG_HEADERS_HEADER,
  OFFSET_HEADER,
  OMITTED_HEADER,
  PARTITION_HEADER,
  SHARED_PROPERTIES,
  TIMESTAMP_HEADER,
  TOMBSTONE_HEADER,
} from './mapping-headers.ts';
import type {
  NamedProperty,
  OwnProperties,
  PropertyCodec,
  PropertyCodecs,
  PropertyEdit,
  RoutedMessage,
  TextProperty,
} from './property-codec.ts';

const NOTHING = Buffer.alloc(0);
/** Of a message's own properties: they came in one frame, whose size `frame-max` limits to 16 MiB, and dead-lettering adds to them. */
const OWN_PROPERTIES_BYTES_MAX = 17 * 1024 * 1024;
/** What is said of a message goes into one frame, which most clients let be so large. */
const PROPERTIES_BYTES_MAX = 120 * 1024;
const NO_KEYS: readonly string[] = [];
const headerView = new HeaderView();
/** The names of the headers that have further keys, in tables whose keys have a length octet. */
const COPIES = Buffer.from('CC', 'latin1');
/** Routing keys, names of headers and most properties have a length of one byte. */
const TEXT_BYTES_MAX = 255;

const TEXT_PROPERTIES: ReadonlySet<string> = new Set(
  SHARED_PROPERTIES.filter((name) => name !== 'timestamp'),
);

/** Where a record is, and what is beside its content. */
export type RecordPlace = Pick<
  RecordCursor,
  'bytes' | 'contentStart' | 'contentEnd' | 'offset' | 'timestampMs' | 'hasForeignEnvelope'
>;

/**
 * A record as a message: as it was published, if its envelope says so, and otherwise made of what the record has
 * (docs/mapping.md). One is used for all records in turn; its bytes are those of the record, or new ones.
 */
export class RecordMessage implements RoutedMessage {
  /** Who can read the properties. */
  codec: PropertyCodec;
  protocol = 0;
  exchange: Buffer = NOTHING;
  exchangeStart = 0;
  exchangeEnd = 0;
  key: Buffer = NOTHING;
  keyStart = 0;
  keyEnd = 0;
  properties: Buffer = NOTHING;
  propertiesStart = 0;
  propertiesEnd = 0;
  body: Buffer = NOTHING;
  bodyStart = 0;
  bodyEnd = 0;
  ttlMs = -1;
  priority = 0;
  /** Whether it was published as a message. */
  isOwn = false;
  readonly #codecs: PropertyCodecs;
  readonly #view = new ContentView();
  readonly #names = new Map<string, Buffer>();
  #headers: Table | null | undefined;

  constructor(codecs: PropertyCodecs) {
    const { own } = codecs;
    if (own === undefined) throw new Error('no protocol here has messages');
    this.#codecs = codecs;
    this.codec = own;
  }

  /** False for bytes that are no record: nothing else may be asked then. */
  read(place: RecordPlace, stream: string, partition: number): boolean {
    const view = this.#view;
    const { bytes: buffer, contentStart, contentEnd } = place;
    this.#headers = undefined;
    // What a client put into an envelope is its word, and not the broker's.
    const mayHaveEnvelope = !place.hasForeignEnvelope;
    if (!view.parse(buffer, contentStart, contentEnd - contentStart, mayHaveEnvelope)) return false;
    this.body = buffer;
    this.bodyStart = view.bodyStart;
    this.bodyEnd = view.bodyEnd;
    const codec = this.#codecs.of(view.sourceProtocol);
    // Anybody can write records: what no frame could have brought is no message's.
    const isPossible = view.propertiesEnd - view.propertiesStart <= OWN_PROPERTIES_BYTES_MAX;
    this.isOwn = isPossible && codec?.isValid(buffer, view.propertiesStart, view.propertiesEnd) === true;
    if (codec !== undefined && this.isOwn) this.#takeEnvelope(buffer, codec, stream);
    else if (!this.#convert(place, stream, partition)) return false;
    return true;
  }

  headers(): Table | null {
    if (this.#headers === undefined) {
      this.#headers = this.codec.headers(this.properties, this.propertiesStart, this.propertiesEnd);
    }
    return this.#headers;
  }

  property(name: NamedProperty): string | null {
    return this.codec.property(this.properties, this.propertiesStart, this.propertiesEnd, name);
  }

  /** The routing keys that it was published with beside the first, the hidden ones included. */
  otherKeys(): readonly string[] {
    if (!this.isOwn) return NO_KEYS;
    const shown = this.#keysInHeaders();
    const hidden = decodeHiddenKeys(this.body, this.#view.hiddenKeysStart, this.#view.hiddenKeysEnd);
    return hidden.length === 0 ? shown : [...shown, ...hidden];
  }

  #keysInHeaders(): readonly string[] {
    const { properties, propertiesStart, propertiesEnd } = this;
    if (propertiesEnd - propertiesStart <= COPIES.length) return NO_KEYS;
    if (!properties.subarray(propertiesStart, propertiesEnd).includes(COPIES)) return NO_KEYS;
    const keys = readKeys(this.headers());
    // Records of before they were an attribute have the hidden ones there.
    if (keys.length > 0) this.#edit({ remove: [HIDDEN_KEYS_HEADER] });
    return keys;
  }

  /** Changes headers of what is read. */
  set(headers: Table): void {
    this.#edit({ set: headers });
  }

  /** Lets `messageView` stand for the message. */
  fill(messageView: MessageView): void {
    messageView.content = null;
    messageView.protocol = this.protocol;
    messageView.exchange = this.exchange;
    messageView.exchangeStart = this.exchangeStart;
    messageView.exchangeEnd = this.exchangeEnd;
    messageView.key = this.key;
    messageView.keyStart = this.keyStart;
    messageView.keyEnd = this.keyEnd;
    messageView.properties = this.properties;
    messageView.propertiesStart = this.propertiesStart;
    messageView.propertiesEnd = this.propertiesEnd;
    messageView.body = this.body;
    messageView.bodyStart = this.bodyStart;
    messageView.bodyEnd = this.bodyEnd;
    messageView.ttlMs = this.ttlMs;
    messageView.priority = this.priority;
    messageView.delayMs = -1;
    // The body, too, is in the record's buffer.
    messageView.hiddenKeys = this.body;
    messageView.hiddenKeysStart = this.#view.hiddenKeysStart;
    messageView.hiddenKeysEnd = this.#view.hiddenKeysEnd;
  }

  #edit(edit: PropertyEdit): void {
    this.properties = this.codec.edit(this.properties, this.propertiesStart, this.propertiesEnd, edit);
    this.propertiesStart = 0;
    this.propertiesEnd = this.properties.length;
    this.#headers = undefined;
  }

  #takeEnvelope(buffer: Buffer, codec: PropertyCodec, stream: string): void {
    const view = this.#view;
    this.codec = codec;
    this.protocol = view.sourceProtocol;
    this.exchange = buffer;
    this.exchangeStart = view.exchangeStart;
    this.exchangeEnd = view.exchangeEnd;
    this.properties = buffer;
    this.propertiesStart = view.propertiesStart;
    this.propertiesEnd = view.propertiesEnd;
    this.ttlMs = view.ttlMs;
    this.priority = view.priority;
    if (view.keyStart >= 0) {
      this.#takeKey(buffer, view.keyStart, view.keyEnd);
    } else if (view.exchangeEnd === view.exchangeStart) {
      // By the default exchange: see `recordKey`.
      this.#takeKey(this.#bytesOf(stream), 0, this.#bytesOf(stream).length);
    } else {
      this.#takeKey(NOTHING, 0, 0);
    }
    // Anybody can write records.
    if (this.keyEnd - this.keyStart > TEXT_BYTES_MAX) this.#takeKey(NOTHING, 0, 0);
  }

  #convert(place: RecordPlace, stream: string, partition: number): boolean {
    const { bytes: buffer, offset, timestampMs } = place;
    const view = this.#view;
    const { own } = this.#codecs;
    if (own === undefined) return false;
    let headers: { [name: string]: Value } = Object.create(null);
    const texts: { [name in TextProperty]?: string } = {};
    if (!readHeaders(place, view.headersStart, view.headerCount, headers, texts)) return false;
    if (place.contentEnd - view.headersStart > PROPERTIES_BYTES_MAX) {
      headers = { [OMITTED_HEADER]: view.headerCount };
    }
    this.codec = own;
    this.protocol = own.source;
    this.exchange = this.#bytesOf(stream);
    this.exchangeStart = 0;
    this.exchangeEnd = this.exchange.length;
    this.ttlMs = -1;
    this.priority = 0;
    this.#convertKey(buffer, headers);
    if (view.bodyIsNull) headers[TOMBSTONE_HEADER] = true;
    headers[OFFSET_HEADER] = BigInt(offset);
    headers[PARTITION_HEADER] = partition;
    const properties: OwnProperties = { headers, persistent: true, texts };
    if (timestampMs >= 0) headers[TIMESTAMP_HEADER] = BigInt(timestampMs);
    this.properties = own.encode(
      timestampMs >= 0 ? { ...properties, timestamp: Math.floor(timestampMs / 1000) } : properties,
    );
    this.propertiesStart = 0;
    this.propertiesEnd = this.properties.length;
    this.#headers = headers;
    return true;
  }

  /** Text is the routing key. What is not, or is too long, is routed by its digits or its beginning, and is in a header. */
  #convertKey(buffer: Buffer, headers: { [name: string]: Value }): void {
    const { keyStart, keyEnd } = this.#view;
    if (keyStart < 0) {
      this.#takeKey(NOTHING, 0, 0);
      return;
    }
    const key = buffer.subarray(keyStart, keyEnd);
    const isText = isUtf8(key);
    if (isText && key.length > 0 && key.length <= TEXT_BYTES_MAX) {
      this.#takeKey(buffer, keyStart, keyEnd);
      return;
    }
    headers[KEY_HEADER] = Uint8Array.from(key);
    const text = isText
      ? beginning(key)
      : Buffer.from(key.toString('hex', 0, TEXT_BYTES_MAX >>> 1), 'latin1');
    this.#takeKey(text, 0, text.length);
  }

  #takeKey(bytes: Buffer, start: number, end: number): void {
    this.key = bytes;
    this.keyStart = start;
    this.keyEnd = end;
  }

  #bytesOf(name: string): Buffer {
    let bytes = this.#names.get(name);
    if (bytes === undefined) {
      bytes = Buffer.from(name, 'utf8');
      this.#names.set(name, bytes);
    }
    return bytes;
  }
}

/** What is no list of keys would have been refused, had it come as a message. */
function readKeys(headers: Table | null): readonly string[] {
  try {
    return extraKeys(headers);
  } catch (error) {
    if (error instanceof BrokerError) return NO_KEYS;
    throw error;
  }
}

/** As much of the text as fits, without a broken character at its end. */
function beginning(text: Buffer): Buffer {
  let end = Math.min(text.length, TEXT_BYTES_MAX);
  while (end < text.length && end > 0 && (text[end] & 0xc0) === 0x80) end--;
  return text.subarray(0, end);
}

/** Fills what the record's headers are as a message's. False if they are not what they say. */
function readHeaders(
  { bytes: buffer, contentEnd }: RecordPlace,
  start: number,
  count: number,
  headers: { [name: string]: Value },
  texts: { [name in TextProperty]?: string },
): boolean {
  const seen = new Set<string>();
  const tooLong: Value[] = [];
  // Each has two bytes at least.
  if (count < 0 || count * 2 > contentEnd - start) return false;
  let at = start;
  for (let left = count; left > 0; left--) {
    if (!headerView.parse(buffer, at, contentEnd)) return false;
    const { nameStart, nameEnd, valueStart, valueEnd } = headerView;
    at = valueEnd;
    const name = buffer.toString('utf8', nameStart, nameEnd);
    const bytes = headerView.valueIsNull ? null : buffer.subarray(valueStart, valueEnd);
    if (name === ENVELOPE_NAME || BROKER_HEADERS.has(name)) continue;
    const value = bytes === null ? null : isUtf8(bytes) ? bytes.toString('utf8') : Uint8Array.from(bytes);
    if (nameEnd - nameStart > TEXT_BYTES_MAX) tooLong.push([name, value]);
    else if (isProperty(name, value, bytes) && !seen.has(name)) texts[name as TextProperty] = value as string;
    else addHeader(headers, name, value, seen.has(name));
    seen.add(name);
  }
  if (tooLong.length > 0) headers[LONG_HEADERS_HEADER] = tooLong;
  return true;
}

function isProperty(name: string, value: Value, bytes: Uint8Array | null): boolean {
  if (!TEXT_PROPERTIES.has(name) || typeof value !== 'string') return false;
  // Who published this is nobody's word but the broker's, and when it expires is a number.
  if (name === 'user-id' || name === 'expiration') return false;
  return bytes !== null && bytes.length <= TEXT_BYTES_MAX;
}

/**
 * Of several with one name, all are kept, in their order; but not of those whose lists are routing keys, which nobody has
 * checked.
 */
function addHeader(headers: { [name: string]: Value }, name: string, value: Value, isAgain: boolean): void {
  if (isAgain && KEY_LIST_HEADERS.includes(name)) return;
  const before = headers[name];
  if (!isAgain || before === undefined) headers[name] = value;
  else if (Array.isArray(before)) before.push(value);
  else headers[name] = [before, value];
}
