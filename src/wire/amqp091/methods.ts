import type { Table } from '../../base/value.ts';
import { ByteReader, readSafeU64 } from './byte-reader.ts';
import { FRAME_METHOD, TABLE_VALUES_MAX } from './constants.ts';
import {
  type ArgumentType,
  METHODS,
  type Method,
  type MethodDefinition,
  type MethodName,
} from './definitions.ts';
import { WireError } from './errors.ts';
import { encodeTable, readTable } from './field-table.ts';
import type { FrameWriter } from './frames.ts';
import { readShortString } from './short-strings.ts';

/** Class id in the upper, method id in the lower 16 bits: the four bytes at the start of a method frame's payload. */
export const BASIC_PUBLISH = 0x003c0028;
export const BASIC_DELIVER = 0x003c003c;
export const CONNECTION_CLOSE = methodId('connection.close');
export const CONNECTION_CLOSE_OK = methodId('connection.close-ok');
export const CHANNEL_OPEN = methodId('channel.open');
export const CHANNEL_CLOSE = methodId('channel.close');
export const CHANNEL_CLOSE_OK = methodId('channel.close-ok');
export const TX_COMMIT = methodId('tx.commit');
export const BASIC_ACK = 0x003c0050;
export const BASIC_REJECT = 0x003c005a;
export const BASIC_NACK = 0x003c0078;

/** Where the names begin in the payload of basic.publish: behind the method id u32 and reserved-1 u16. */
export const PUBLISH_NAMES_AT = 6;

/** The payload of basic.ack, basic.nack and basic.reject: method id u32, delivery-tag u64, bits u8. */
export const ACK_PAYLOAD_BYTES = 13;
export const ACK_TAG_AT = 4;
export const ACK_BITS_AT = 12;
/** Bits of basic.ack and basic.nack. */
export const ACK_MULTIPLE = 1;
export const NACK_REQUEUE = 2;
/** The bit of basic.reject. */
const REJECT_REQUEUE = 1;

type ArgumentValue = boolean | number | string | Uint8Array | Table;

interface CompiledMethod {
  readonly name: MethodName;
  readonly id: number;
  readonly arguments: readonly CompiledArgument[];
}

interface CompiledArgument {
  readonly name: string;
  readonly type: ArgumentType;
  readonly reserved: boolean;
  /** Of a bit, its place in its octet: consecutive bits share one (AMQP 4.2.5.2). */
  readonly bit: number;
  /** What an error's message says. */
  readonly subject: string;
}

const byName = new Map<string, CompiledMethod>();
const byId = new Map<number, CompiledMethod>();
for (const [name, definition] of Object.entries(METHODS)) {
  const compiled = compile(name as MethodName, definition);
  byName.set(name, compiled);
  byId.set(compiled.id, compiled);
}

function compile(name: MethodName, definition: MethodDefinition): CompiledMethod {
  let bit = -1;
  const compiled = definition.arguments.map(([argument, type]) => {
    bit = type === 'bit' ? bit + 1 : -1;
    return {
      name: argument,
      type,
      reserved: argument.startsWith('reserved'),
      bit,
      subject: `${name}, ${argument}`,
    };
  });
  return { name, id: (definition.classId << 16) | definition.methodId, arguments: compiled };
}

export function methodId(name: MethodName): number {
  const { classId, methodId } = METHODS[name];
  return (classId << 16) | methodId;
}

/** Decodes a method frame's payload, from the class id on; it must end exactly at `end`. */
export function decodeMethod(bytes: Buffer, start: number, end: number): Method {
  if (end - start < 4)
    throw new WireError('frame-error', `a method frame of ${end - start} bytes has no method in it`);
  const id = (bytes[start] << 24) | (bytes[start + 1] << 16) | (bytes[start + 2] << 8) | bytes[start + 3];
  switch (id) {
    case BASIC_PUBLISH:
      return decodePublish(bytes, start, end);
    case BASIC_ACK:
      checkAckLength('basic.ack', start, end);
      return {
        name: 'basic.ack',
        deliveryTag: ackTag('basic.ack', bytes, start),
        multiple: (bytes[start + ACK_BITS_AT] & ACK_MULTIPLE) !== 0,
      };
    case BASIC_REJECT:
      checkAckLength('basic.reject', start, end);
      return {
        name: 'basic.reject',
        deliveryTag: ackTag('basic.reject', bytes, start),
        requeue: (bytes[start + ACK_BITS_AT] & REJECT_REQUEUE) !== 0,
      };
    case BASIC_NACK:
      checkAckLength('basic.nack', start, end);
      return {
        name: 'basic.nack',
        deliveryTag: ackTag('basic.nack', bytes, start),
        multiple: (bytes[start + ACK_BITS_AT] & ACK_MULTIPLE) !== 0,
        requeue: (bytes[start + ACK_BITS_AT] & NACK_REQUEUE) !== 0,
      };
    default:
      return decodeAny(id, bytes, start, end);
  }
}

/**
 *   0          4          6    +n          +m          one octet
 *   | id       | reserved | n, exchange | m, routing-key | bits: mandatory, immediate |
 */
function decodePublish(bytes: Buffer, start: number, end: number): Method {
  const exchangeStart = start + PUBLISH_NAMES_AT + 1;
  if (exchangeStart > end) failPublish(start, end);
  const exchangeEnd = exchangeStart + bytes[exchangeStart - 1];
  const keyStart = exchangeEnd + 1;
  if (keyStart > end) failPublish(start, end);
  const keyEnd = keyStart + bytes[exchangeEnd];
  if (keyEnd + 1 !== end) failPublish(start, end);
  const bits = bytes[keyEnd];
  return {
    name: 'basic.publish',
    exchange: readShortString(bytes, exchangeStart, exchangeEnd, 'basic.publish, exchange'),
    routingKey: readShortString(bytes, keyStart, keyEnd, 'basic.publish, routingKey'),
    mandatory: (bits & 1) !== 0,
    immediate: (bits & 2) !== 0,
  };
}

function failPublish(start: number, end: number): never {
  throw new WireError(
    'syntax-error',
    `basic.publish: the names do not fit the frame of ${end - start} bytes`,
  );
}

function checkAckLength(name: MethodName, start: number, end: number): void {
  if (end - start !== ACK_PAYLOAD_BYTES) {
    throw new WireError('syntax-error', `${name}: ${ACK_PAYLOAD_BYTES} bytes expected, not ${end - start}`);
  }
}

function ackTag(name: MethodName, bytes: Buffer, start: number): number {
  const tag = readSafeU64(bytes, start + ACK_TAG_AT);
  if (tag < 0) throw new WireError('syntax-error', `${name}, deliveryTag: is beyond 2^53 - 1`);
  return tag;
}

function decodeAny(id: number, bytes: Buffer, start: number, end: number): Method {
  const definition = byId.get(id);
  if (definition === undefined) {
    throw new WireError('command-invalid', `there is no method ${id & 0xffff} in class ${id >>> 16}`);
  }
  const reader = new ByteReader(bytes, start, end, definition.name);
  reader.valuesLeft = TABLE_VALUES_MAX;
  reader.take(4);
  const method: Record<string, ArgumentValue> = { name: definition.name };
  let bits = 0;
  for (const argument of definition.arguments) {
    reader.subject = argument.subject;
    if (argument.bit === 0) bits = reader.u8();
    const value =
      argument.type === 'bit' ? (bits & (1 << argument.bit)) !== 0 : readArgument(reader, argument.type);
    if (!argument.reserved) method[argument.name] = value;
  }
  reader.subject = definition.name;
  reader.expectEnd();
  // The type of methods is derived from the very table that this loop has followed.
  return method as unknown as Method;
}

function readArgument(reader: ByteReader, type: Exclude<ArgumentType, 'bit'>): ArgumentValue {
  switch (type) {
    case 'octet':
      return reader.u8();
    case 'short':
      return reader.u16();
    case 'long':
      return reader.u32();
    case 'longlong':
      return reader.u64();
    case 'shortstr':
      return reader.shortString();
    case 'longstr':
      return reader.longBytes();
    case 'longtext':
      return reader.longText();
    case 'table':
      return readTable(reader);
  }
}

/** Writes a whole method frame. If it cannot be encoded, nothing is written and a WireError says why. */
export function encodeMethod(writer: FrameWriter, channel: number, method: Method): void {
  const definition = byName.get(method.name);
  if (definition === undefined) throw new WireError('command-invalid', `there is no method '${method.name}'`);
  const frame = writer.startFrame(FRAME_METHOD, channel);
  try {
    writer.u32(definition.id);
    writeArguments(writer, definition, method as unknown as Record<string, ArgumentValue>);
  } catch (error) {
    writer.abandonFrame(frame);
    throw error;
  }
  writer.endFrame(frame);
}

function writeArguments(
  writer: FrameWriter,
  definition: CompiledMethod,
  values: Readonly<Record<string, ArgumentValue>>,
): void {
  let bits = 0;
  for (const argument of definition.arguments) {
    writer.ensure(8);
    if (argument.type !== 'bit') {
      if (argument.reserved) writeZero(writer, argument.type);
      else writeArgument(writer, argument, values[argument.name]);
      continue;
    }
    bits = argument.bit === 0 ? 0 : bits;
    if (!argument.reserved && values[argument.name] === true) bits |= 1 << argument.bit;
    if (argument.bit !== 0) writer.position--;
    writer.u8(bits);
  }
}

/** Of the types that reserved arguments have. */
function writeZero(writer: FrameWriter, type: ArgumentType): void {
  if (type === 'shortstr') writer.u8(0);
  else if (type === 'short') writer.u16(0);
  else writer.u32(0);
}

function writeArgument(writer: FrameWriter, argument: CompiledArgument, value: ArgumentValue): void {
  const { type } = argument;
  if (type === 'octet' && isInteger(value, 0xff)) writer.u8(value);
  else if (type === 'short' && isInteger(value, 0xffff)) writer.u16(value);
  else if (type === 'long' && isInteger(value, 0xffffffff)) writer.u32(value);
  else if (type === 'longlong' && isInteger(value, Number.MAX_SAFE_INTEGER)) writer.u64(value);
  else if (type === 'shortstr' && typeof value === 'string') writer.shortString(value);
  else if (type === 'longtext' && typeof value === 'string') writer.longString(value);
  else if (type === 'longstr' && value instanceof Uint8Array) {
    writer.u32(value.length);
    writer.bytes(value, 0, value.length);
  } else if (type === 'table' && typeof value === 'object' && !(value instanceof Uint8Array))
    encodeTable(writer, value);
  else throw new WireError('syntax-error', `${argument.subject}: ${String(value)} is not a ${type}`);
}

function isInteger(value: unknown, max: number): value is number {
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) <= max;
}
