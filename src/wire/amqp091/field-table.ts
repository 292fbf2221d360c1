import { isUtf8 } from 'node:buffer';
import type { Table, Value } from '../../base/value.ts';
import { ByteReader } from './byte-reader.ts';
import { TABLE_DEPTH_MAX, TABLE_VALUES_MAX } from './constants.ts';
import { WireError } from './errors.ts';
import type { FrameWriter } from './frames.ts';

/*
 * Field tables (AMQP 4.2.5.5) with the type letters as RabbitMQ, and thus every client, understands them
 * (https://www.rabbitmq.com/amqp-0-9-1-errata): the specification's own letters for integers are used by nobody.
 *
 *   table = long length, then  { key: short string, value }…
 *   array = long length, then  { value }…
 *   value = type letter, then
 *     t bool      b int8      s int16     I int32     l int64     f float     S text: long length, bytes
 *     V void      B uint8     u uint16    i uint32    L int64     d double    x bytes: long length, bytes
 *     T seconds since 1970: int64         D decimal: octet scale, uint32      F table     A array
 */

const LETTERS = {
  bool: 0x74, // t
  int8: 0x62, // b
  uint8: 0x42, // B
  int16: 0x73, // s
  uint16: 0x75, // u
  int32: 0x49, // I
  uint32: 0x69, // i
  int64: 0x6c, // l
  int64L: 0x4c, // L
  float: 0x66, // f
  double: 0x64, // d
  decimal: 0x44, // D
  text: 0x53, // S
  array: 0x41, // A
  timestamp: 0x54, // T
  table: 0x46, // F
  void: 0x56, // V
  bytes: 0x78, // x
} as const;

/** Date's own range, ECMA-262 21.4.1.1. */
const DATE_SECONDS_MAX = 8_640_000_000_000;

/** Decodes the table whose length field is at `start`; it must end at or before `end`. The result has no prototype. */
export function decodeTable(
  bytes: Buffer,
  start: number,
  end: number,
  depthMax: number = TABLE_DEPTH_MAX,
): Table {
  return readTable(new ByteReader(bytes, start, end, 'table'), depthMax);
}

/** Decodes the fields from `start` to `end` of a table without a length, as SASL's AMQPLAIN response is. */
export function decodeTableFields(
  bytes: Buffer,
  start: number,
  end: number,
  depthMax: number = TABLE_DEPTH_MAX,
): Table {
  return readFields(new ByteReader(bytes, start, end, 'table'), end, depthMax);
}

/** Reads a table at the reader's position. */
export function readTable(reader: ByteReader, depthMax: number = TABLE_DEPTH_MAX): Table {
  const length = reader.u32();
  return readFields(reader, lengthEnd(reader, length), depthMax);
}

/** Passes over a table, checking its structure (but not its texts) without making anything of it. */
export function skipTable(reader: ByteReader, depthMax: number = TABLE_DEPTH_MAX): void {
  if (depthMax === 0) failDepth(reader);
  const length = reader.u32();
  const end = lengthEnd(reader, length);
  while (reader.position < end) {
    reader.take(reader.u8());
    skipValue(reader, depthMax - 1);
  }
  expectExactly(reader, end);
}

/**
 * Calls `visit` with the range of every field of a table, from its key's length octet to the end of its value. For those
 * who keep fields as they are: nothing is decoded. The reader is at the table's length.
 */
export function visitFields(reader: ByteReader, visit: (start: number, end: number) => void): void {
  const end = lengthEnd(reader, reader.u32());
  while (reader.position < end) {
    const start = reader.position;
    reader.take(reader.u8());
    skipValue(reader, TABLE_DEPTH_MAX - 1);
    visit(start, reader.position);
  }
  expectExactly(reader, end);
}

/** Writes the fields of a table, without its length. */
export function encodeFields(writer: FrameWriter, table: Table, depthMax: number = TABLE_DEPTH_MAX): void {
  for (const key of Object.keys(table)) {
    writer.shortString(key);
    writeValue(writer, table[key], key, depthMax - 1);
  }
}

export function encodeTable(writer: FrameWriter, table: Table, depthMax: number = TABLE_DEPTH_MAX): void {
  if (depthMax === 0) throw new WireError('syntax-error', 'the table is nested too deeply');
  const lengthAt = startLength(writer);
  encodeFields(writer, table, depthMax);
  endLength(writer, lengthAt);
}

function lengthEnd(reader: ByteReader, length: number): number {
  if (length > reader.end - reader.position) {
    reader.fail(`a length of ${length} where ${reader.end - reader.position} bytes are left`);
  }
  return reader.position + length;
}

function expectExactly(reader: ByteReader, end: number): void {
  if (reader.position !== end) reader.fail('the last value reaches beyond the length of its table or array');
}

function failDepth(reader: ByteReader): never {
  return reader.fail('the table is nested too deeply');
}

function failValues(reader: ByteReader): never {
  return reader.fail(
    `more than ${TABLE_VALUES_MAX} values in a table, those inside its tables and arrays included`,
  );
}

function readFields(reader: ByteReader, end: number, depthMax: number): Table {
  if (depthMax === 0) failDepth(reader);
  // No prototype: a key such as `constructor` or `__proto__` is a key like any other, and absent unless it was sent.
  const table = Object.create(null) as Record<string, Value>;
  while (reader.position < end) {
    const key = reader.shortString();
    table[key] = readValue(reader, depthMax - 1);
  }
  expectExactly(reader, end);
  return table;
}

function readArray(reader: ByteReader, depthMax: number): Value[] {
  if (depthMax === 0) failDepth(reader);
  const end = lengthEnd(reader, reader.u32());
  const values: Value[] = [];
  while (reader.position < end) values.push(readValue(reader, depthMax - 1));
  expectExactly(reader, end);
  return values;
}

function readValue(reader: ByteReader, depthMax: number): Value {
  if (--reader.valuesLeft < 0) failValues(reader);
  const letter = reader.u8();
  switch (letter) {
    case LETTERS.bool:
      return reader.u8() !== 0;
    case LETTERS.int8:
      return reader.i8();
    case LETTERS.uint8:
      return reader.u8();
    case LETTERS.int16:
      return reader.i16();
    case LETTERS.uint16:
      return reader.u16();
    case LETTERS.int32:
      return reader.i32();
    case LETTERS.uint32:
      return reader.u32();
    case LETTERS.int64:
    case LETTERS.int64L:
      return fromInt64(reader.i64());
    case LETTERS.float:
      return reader.f32();
    case LETTERS.double:
      return reader.f64();
    case LETTERS.decimal: {
      const scale = reader.u8();
      return reader.u32() / 10 ** scale;
    }
    case LETTERS.text:
      return readText(reader);
    case LETTERS.array:
      return readArray(reader, depthMax);
    case LETTERS.timestamp:
      return fromSeconds(reader.i64());
    case LETTERS.table:
      return readTable(reader, depthMax);
    case LETTERS.void:
      return null;
    case LETTERS.bytes:
      return reader.longBytes();
    default:
      return failLetter(reader, letter);
  }
}

function skipValue(reader: ByteReader, depthMax: number): void {
  if (--reader.valuesLeft < 0) failValues(reader);
  const letter = reader.u8();
  switch (letter) {
    case LETTERS.void:
      return;
    case LETTERS.bool:
    case LETTERS.int8:
    case LETTERS.uint8:
      reader.take(1);
      return;
    case LETTERS.int16:
    case LETTERS.uint16:
      reader.take(2);
      return;
    case LETTERS.int32:
    case LETTERS.uint32:
    case LETTERS.float:
      reader.take(4);
      return;
    case LETTERS.decimal:
      reader.take(5);
      return;
    case LETTERS.int64:
    case LETTERS.int64L:
    case LETTERS.double:
    case LETTERS.timestamp:
      reader.take(8);
      return;
    case LETTERS.text:
    case LETTERS.bytes:
      reader.take(reader.u32());
      return;
    case LETTERS.table:
      skipTable(reader, depthMax);
      return;
    case LETTERS.array: {
      if (depthMax === 0) failDepth(reader);
      const end = lengthEnd(reader, reader.u32());
      while (reader.position < end) skipValue(reader, depthMax - 1);
      expectExactly(reader, end);
      return;
    }
    default:
      failLetter(reader, letter);
  }
}

function failLetter(reader: ByteReader, letter: number): never {
  const shown =
    letter > 0x20 && letter < 0x7f ? `'${String.fromCharCode(letter)}'` : `0x${letter.toString(16)}`;
  return reader.fail(`${shown} is not a type of field value`);
}

/** Clients also put plain bytes into an 'S'; what is not UTF-8 stays bytes, so that nothing is lost. */
function readText(reader: ByteReader): string | Uint8Array {
  const length = reader.u32();
  const at = reader.take(length);
  const raw = reader.bytes.subarray(at, at + length);
  return isUtf8(raw) ? raw.toString('utf8') : new Uint8Array(raw);
}

function fromInt64(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

/** A time that Date cannot hold (some clients send microseconds here) stays a number. */
function fromSeconds(value: bigint): Value {
  const seconds = fromInt64(value);
  if (typeof seconds === 'bigint' || Math.abs(seconds) > DATE_SECONDS_MAX) return seconds;
  return new Date(seconds * 1000);
}

function writeValue(writer: FrameWriter, value: Value, key: string, depthMax: number): void {
  writer.ensure(16);
  switch (typeof value) {
    case 'boolean':
      writer.u8(LETTERS.bool);
      writer.u8(value ? 1 : 0);
      return;
    case 'number':
      writeNumber(writer, value);
      return;
    case 'bigint':
      if (BigInt.asIntN(64, value) !== value) {
        throw new WireError('syntax-error', `'${key}': ${value} does not fit in 64 bits with a sign`);
      }
      writer.u8(LETTERS.int64);
      writer.i64(value);
      return;
    case 'string':
      writer.u8(LETTERS.text);
      writer.longString(value);
      return;
    case 'object':
      writeObject(writer, value, key, depthMax);
      return;
    default:
      throw new WireError('syntax-error', `'${key}': a ${typeof value} cannot be a field value`);
  }
}

function writeNumber(writer: FrameWriter, value: number): void {
  if (!Number.isSafeInteger(value) || Object.is(value, -0)) {
    writer.u8(LETTERS.double);
    writer.f64(value);
  } else if (value === (value | 0)) {
    writer.u8(LETTERS.int32);
    writer.u32(value);
  } else {
    writer.u8(LETTERS.int64);
    writer.i64(BigInt(value));
  }
}

function writeObject(
  writer: FrameWriter,
  value: Value & (object | null),
  key: string,
  depthMax: number,
): void {
  if (value === null) {
    writer.u8(LETTERS.void);
  } else if (value instanceof Uint8Array) {
    writer.u8(LETTERS.bytes);
    writer.u32(value.length);
    writer.bytes(value, 0, value.length);
  } else if (value instanceof Date) {
    const seconds = Math.floor(value.getTime() / 1000);
    if (Number.isNaN(seconds)) throw new WireError('syntax-error', `'${key}': not a valid date`);
    writer.u8(LETTERS.timestamp);
    writer.i64(BigInt(seconds));
  } else if (Array.isArray(value)) {
    if (depthMax === 0) throw new WireError('syntax-error', `'${key}': nested too deeply`);
    writer.u8(LETTERS.array);
    const lengthAt = startLength(writer);
    for (const element of value as readonly Value[]) writeValue(writer, element, key, depthMax - 1);
    endLength(writer, lengthAt);
  } else {
    writer.u8(LETTERS.table);
    encodeTable(writer, value as Table, depthMax);
  }
}

/** Leaves room for a length; like frames, remembered relative to `start` because growing moves the bytes. */
function startLength(writer: FrameWriter): number {
  writer.ensure(4);
  const lengthAt = writer.position - writer.start;
  writer.position += 4;
  return lengthAt;
}

function endLength(writer: FrameWriter, lengthAt: number): void {
  const end = writer.position;
  writer.position = writer.start + lengthAt;
  writer.u32(end - writer.position - 4);
  writer.position = end;
}
