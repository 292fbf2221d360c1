import type { Table } from '../../base/value.ts';
import { ByteReader } from './byte-reader.ts';
import { CLASS_IDS } from './constants.ts';
import { WireError } from './errors.ts';
import { encodeTable, readTable, skipTable } from './field-table.ts';
import type { FrameWriter } from './frames.ts';

/*
 * The properties of a content header (AMQP 4.2.6.1): a word of flags, then the values of those present, in this order:
 *
 *    15 content-type   14 content-encoding  13 headers    12 delivery-mode   11 priority  10 correlation-id
 *     9 reply-to        8 expiration         7 message-id  6 timestamp        5 type       4 user-id
 *     3 app-id          2 cluster-id         1 (none)      0 another word of flags follows: never in this class
 */
const PROPERTIES = [
  ['contentType', 'shortstr'],
  ['contentEncoding', 'shortstr'],
  ['headers', 'table'],
  ['deliveryMode', 'octet'],
  ['priority', 'octet'],
  ['correlationId', 'shortstr'],
  ['replyTo', 'shortstr'],
  ['expiration', 'shortstr'],
  ['messageId', 'shortstr'],
  ['timestamp', 'timestamp'],
  ['type', 'shortstr'],
  ['userId', 'shortstr'],
  ['appId', 'shortstr'],
  ['clusterId', 'shortstr'],
] as const;

interface PropertyTypes {
  readonly shortstr: string;
  readonly table: Table;
  readonly octet: number;
  /** Whole seconds since 1970. */
  readonly timestamp: number;
}

export type PropertyName = (typeof PROPERTIES)[number][0];

export type Properties = {
  readonly [P in (typeof PROPERTIES)[number] as P[0]]?: PropertyTypes[P[1]];
};

/** The flags, as `findProperty` wants them. */
export const PROPERTY_CONTENT_TYPE = 1 << 15;
export const PROPERTY_CONTENT_ENCODING = 1 << 14;
export const PROPERTY_HEADERS = 1 << 13;
export const PROPERTY_DELIVERY_MODE = 1 << 12;
export const PROPERTY_PRIORITY = 1 << 11;
export const PROPERTY_CORRELATION_ID = 1 << 10;
export const PROPERTY_REPLY_TO = 1 << 9;
export const PROPERTY_EXPIRATION = 1 << 8;
export const PROPERTY_MESSAGE_ID = 1 << 7;
export const PROPERTY_TIMESTAMP = 1 << 6;
export const PROPERTY_TYPE = 1 << 5;
export const PROPERTY_USER_ID = 1 << 4;
export const PROPERTY_APP_ID = 1 << 3;
export const PROPERTY_CLUSTER_ID = 1 << 2;

const UNDEFINED_FLAGS = 0b11;
const STRING_FLAGS =
  0xfffc & ~(PROPERTY_HEADERS | PROPERTY_DELIVERY_MODE | PROPERTY_PRIORITY | PROPERTY_TIMESTAMP);

/** In a content header's payload, the property flags come after class-id, weight and body size. */
export const CONTENT_HEADER_BYTES = 12;

/** The size of the body that a content header's payload announces; its properties begin `CONTENT_HEADER_BYTES` later. */
export function readBodySize(bytes: Buffer, start: number, end: number): number {
  if (end - start < CONTENT_HEADER_BYTES + 2) {
    throw new WireError('frame-error', `a content header of ${end - start} bytes, 14 are the least`);
  }
  const classId = (bytes[start] << 8) | bytes[start + 1];
  if (classId !== CLASS_IDS.basic) {
    // RabbitMQ's code and words; AMQP 4.2.6.1 would have 501.
    throw new WireError(
      'unexpected-frame',
      `expected content header for class 60, got one for class ${classId} instead`,
    );
  }
  const high =
    ((bytes[start + 4] << 24) | (bytes[start + 5] << 16) | (bytes[start + 6] << 8) | bytes[start + 7]) >>> 0;
  if (high > 0x1fffff)
    throw new WireError('syntax-error', 'content header: the body size is beyond 2^53 - 1');
  const low =
    ((bytes[start + 8] << 24) | (bytes[start + 9] << 16) | (bytes[start + 10] << 8) | bytes[start + 11]) >>>
    0;
  return high * 0x1_0000_0000 + low;
}

/** `start` is where the flags are; the properties must end exactly at `end`. */
export function decodeProperties(bytes: Buffer, start: number, end: number): Properties {
  const reader = new ByteReader(bytes, start, end, 'properties');
  const flags = readFlags(reader);
  const properties: Record<string, string | number | Table> = {};
  for (let i = 0; i < PROPERTIES.length; i++) {
    if ((flags & (PROPERTY_CONTENT_TYPE >>> i)) === 0) continue;
    const [name, type] = PROPERTIES[i];
    reader.subject = `property '${name}'`;
    properties[name] = readProperty(reader, type);
  }
  reader.subject = 'properties';
  reader.expectEnd();
  // The table above is what both the loop and the type are made of.
  return properties as Properties;
}

function readProperty(reader: ByteReader, type: keyof PropertyTypes): string | number | Table {
  switch (type) {
    case 'shortstr':
      return reader.shortString();
    case 'octet':
      return reader.u8();
    case 'timestamp':
      return reader.u64();
    case 'table':
      return readTable(reader);
  }
}

function readFlags(reader: ByteReader): number {
  const flags = reader.u16();
  if ((flags & UNDEFINED_FLAGS) !== 0)
    reader.fail(`flags 0x${flags.toString(16)} name properties that do not exist`);
  return flags;
}

/**
 * Throws unless `decodeProperties` could follow every length; makes nothing. For bytes that are stored as they came. `valuesMax`: how many values
 * the headers may have in all.
 */
export function checkProperties(bytes: Buffer, start: number, end: number, valuesMax?: number): void {
  const flags = end - start >= 2 ? (bytes[start] << 8) | bytes[start + 1] : -1;
  // Most messages have a delivery mode and nothing else, or nothing at all.
  if (flags === 0 && end - start === 2) return;
  if (flags === PROPERTY_DELIVERY_MODE && end - start === 3) return;
  const reader = new ByteReader(bytes, start, end, 'properties');
  if (valuesMax !== undefined) reader.valuesLeft = valuesMax;
  readFlags(reader);
  for (let flag = PROPERTY_CONTENT_TYPE; flag >= PROPERTY_CLUSTER_ID; flag >>>= 1) {
    if ((flags & flag) === 0) continue;
    if (flag === PROPERTY_HEADERS) skipTable(reader);
    else if (flag === PROPERTY_TIMESTAMP) reader.take(8);
    else if ((flag & STRING_FLAGS) !== 0) reader.take(reader.u8());
    else reader.take(1);
  }
  reader.expectEnd();
}

/**
 * Where the value of the property with `flag` begins, or -1 if it is absent: for a short string its length octet, for
 * headers the length of the table. The value itself lies within `end` if `checkProperties` did not throw.
 */
export function findProperty(bytes: Buffer, start: number, end: number, flag: number): number {
  if (end - start < 2) return -1;
  const flags = (bytes[start] << 8) | bytes[start + 1];
  if ((flags & flag) === 0) return -1;
  let at = start + 2;
  for (let before = PROPERTY_CONTENT_TYPE; before > flag; before >>>= 1) {
    if ((flags & before) === 0) continue;
    if ((before & STRING_FLAGS) !== 0) at += at < end ? 1 + bytes[at] : 1;
    else if (before === PROPERTY_HEADERS) at += at + 4 <= end ? 4 + bytes.readUInt32BE(at) : 4;
    else if (before === PROPERTY_TIMESTAMP) at += 8;
    else at += 1;
  }
  if (at >= end)
    throw new WireError('syntax-error', 'properties: a value reaches beyond the end of the header');
  return at;
}

/** 0 when absent: then the message is transient, as with 1. Only 2 means persistent. */
export function peekDeliveryMode(bytes: Buffer, start: number, end: number): number {
  const at = findProperty(bytes, start, end, PROPERTY_DELIVERY_MODE);
  return at < 0 ? 0 : bytes[at];
}

/** Writes the flags and the values of those properties that are not undefined. */
export function encodeProperties(writer: FrameWriter, properties: Properties): void {
  let flags = 0;
  for (let i = 0; i < PROPERTIES.length; i++) {
    if (properties[PROPERTIES[i][0]] !== undefined) flags |= PROPERTY_CONTENT_TYPE >>> i;
  }
  writer.ensure(2);
  writer.u16(flags);
  for (const [name, type] of PROPERTIES) {
    const value = properties[name];
    if (value !== undefined) writeProperty(writer, name, type, value);
  }
}

function writeProperty(
  writer: FrameWriter,
  name: PropertyName,
  type: keyof PropertyTypes,
  value: string | number | Table,
): void {
  writer.ensure(8);
  if (type === 'shortstr' && typeof value === 'string') writer.shortString(value);
  else if (type === 'table' && typeof value === 'object') encodeTable(writer, value);
  else if (type === 'octet' && isInteger(value, 0xff)) writer.u8(value);
  else if (type === 'timestamp' && isInteger(value, Number.MAX_SAFE_INTEGER)) writer.u64(value);
  else throw new WireError('syntax-error', `property '${name}' cannot be ${String(value)}`);
}

function isInteger(value: unknown, max: number): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= max;
}
