import { isUtf8 } from 'node:buffer';
import type { Table, Value } from '../../base/value.ts';
import type {
  NamedProperty,
  OwnProperties,
  PropertyCodec,
  PropertyEdit,
  TextProperty,
} from '../../broker/messages/property-codec.ts';
import { SOURCE_AMQP091 } from '../../records/record-content.ts';
import { ByteReader, readSafeU64 } from '../../wire/amqp091/byte-reader.ts';
import { WireError } from '../../wire/amqp091/errors.ts';
import { decodeTable, decodeTableFields, visitFields } from '../../wire/amqp091/field-table.ts';
import { FrameWriter } from '../../wire/amqp091/frames.ts';
import {
  checkProperties,
  encodeProperties,
  findProperty,
  PROPERTY_APP_ID,
  PROPERTY_CONTENT_ENCODING,
  PROPERTY_CONTENT_TYPE,
  PROPERTY_CORRELATION_ID,
  PROPERTY_EXPIRATION,
  PROPERTY_HEADERS,
  PROPERTY_MESSAGE_ID,
  PROPERTY_REPLY_TO,
  PROPERTY_TIMESTAMP,
  PROPERTY_TYPE,
  PROPERTY_USER_ID,
  type Properties,
  type PropertyName,
  peekDeliveryMode,
} from '../../wire/amqp091/properties.ts';
import { editProperties } from '../../wire/amqp091/property-edit.ts';

const FLAGS = {
  'content-type': PROPERTY_CONTENT_TYPE,
  'content-encoding': PROPERTY_CONTENT_ENCODING,
  'correlation-id': PROPERTY_CORRELATION_ID,
  'reply-to': PROPERTY_REPLY_TO,
  expiration: PROPERTY_EXPIRATION,
  'message-id': PROPERTY_MESSAGE_ID,
  timestamp: PROPERTY_TIMESTAMP,
  type: PROPERTY_TYPE,
  'user-id': PROPERTY_USER_ID,
  'app-id': PROPERTY_APP_ID,
} as const satisfies Record<NamedProperty, number>;

const TEXTS = {
  'content-type': 'contentType',
  'content-encoding': 'contentEncoding',
  'correlation-id': 'correlationId',
  'reply-to': 'replyTo',
  expiration: 'expiration',
  'message-id': 'messageId',
  type: 'type',
  'user-id': 'userId',
  'app-id': 'appId',
} as const satisfies Record<TextProperty, PropertyName>;

const PERSISTENT = 2;
const TRANSIENT = 1;

/** Shared: what `take` returned stays valid, as the next write goes behind it. */
const writer = new FrameWriter();

/** How the broker reads and changes properties that are stored as the bytes of a content header (AMQP 4.2.6.1). */
export const amqp091Codec: PropertyCodec = {
  source: SOURCE_AMQP091,
  isValid,
  headers: readHeaders,
  property: readNamed,
  isPersistent: (bytes, start, end) => peekDeliveryMode(bytes, start, end) === PERSISTENT,
  edit,
  encode,
};

/** Null without headers. The bytes passed `checkProperties` when they came in: lengths are within bounds. */
export function readHeaders(bytes: Buffer, start: number, end: number): Table | null {
  const at = findProperty(bytes, start, end, PROPERTY_HEADERS);
  if (at < 0) return null;
  try {
    return decodeTable(bytes, at, end);
  } catch (error) {
    if (error instanceof WireError) return readableHeaders(bytes, at, end);
    throw error;
  }
}

/** The headers whose names and values can be decoded: one that is not UTF-8 hides no other. */
function readableHeaders(bytes: Buffer, at: number, end: number): Table {
  const table = Object.create(null) as Record<string, Value>;
  visitFields(new ByteReader(bytes, at, end, 'headers'), (fieldStart, fieldEnd) => {
    try {
      Object.assign(table, decodeTableFields(bytes, fieldStart, fieldEnd));
    } catch (error) {
      if (!(error instanceof WireError)) throw error;
    }
  });
  return table;
}

function readNamed(bytes: Buffer, start: number, end: number, name: NamedProperty): string | null {
  const at = findProperty(bytes, start, end, FLAGS[name]);
  if (at < 0) return null;
  if (name === 'timestamp') {
    const seconds = readSafeU64(bytes, at);
    return seconds < 0 ? bytes.readBigUInt64BE(at).toString() : String(seconds);
  }
  const valueEnd = at + 1 + bytes[at];
  // Decoded as UTF-8, different malformed ids would both have U+FFFD and become equal.
  const encoding = isUtf8(bytes.subarray(at + 1, valueEnd)) ? 'utf8' : 'latin1';
  return bytes.toString(encoding, at + 1, valueEnd);
}

function isValid(bytes: Buffer, start: number, end: number): boolean {
  try {
    checkProperties(bytes, start, end);
    return true;
  } catch (error) {
    if (error instanceof WireError) return false;
    throw error;
  }
}

function edit(bytes: Buffer, start: number, end: number, change: PropertyEdit): Buffer {
  return written(() => editProperties(writer, bytes, start, end, change));
}

function encode({ headers, timestamp, persistent, texts }: OwnProperties): Buffer {
  const deliveryMode = persistent ? PERSISTENT : TRANSIENT;
  const properties: { [name in PropertyName]?: string | number | Table } = { headers, deliveryMode };
  if (timestamp !== undefined) properties.timestamp = timestamp;
  if (texts !== undefined) {
    for (const name of Object.keys(texts) as TextProperty[]) properties[TEXTS[name]] = texts[name] as string;
  }
  // TEXTS are the short strings; headers, deliveryMode and timestamp have their types above.
  return written(() => encodeProperties(writer, properties as Properties));
}

function written(write: () => void): Buffer {
  try {
    write();
  } catch (error) {
    writer.position = writer.start;
    throw error;
  }
  return writer.take();
}
