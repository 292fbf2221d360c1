import fc from 'fast-check';
import { APIS } from '../../../src/wire/kafka/apis.ts';
import {
  type Field,
  type Fields,
  type FieldType,
  includes,
  type Message,
} from '../../../src/wire/kafka/declaration.ts';
import { defaultOf } from '../../../src/wire/kafka/decoder.ts';
import {
  consumerProtocolAssignment,
  consumerProtocolSubscription,
} from '../../../src/wire/kafka/messages/consumer-protocol.ts';

export interface AnyMessage {
  readonly message: Message;
  readonly version: number;
}

export const ALL_MESSAGES: readonly Message[] = [
  ...APIS.flatMap((api) => [api.request, api.response]),
  consumerProtocolSubscription,
  consumerProtocolAssignment,
];

export const ALL_VERSIONS_OF_MESSAGES: readonly AnyMessage[] = ALL_MESSAGES.flatMap((message) => {
  const { min, max } = message.versions;
  return Array.from({ length: max - min + 1 }, (_, index) => ({ message, version: min + index }));
});

const someBytes = fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes));
const byKind = {
  bool: fc.boolean(),
  int8: fc.integer({ min: -128, max: 127 }),
  int16: fc.integer({ min: -32768, max: 32767 }),
  uint16: fc.nat(65535),
  int32: fc.integer(),
  int64: fc.maxSafeInteger(),
  float64: fc.double({ noNaN: true }),
  uuid: fc.uint8Array({ minLength: 16, maxLength: 16 }).map((id) => Buffer.from(id).toString('base64url')),
  string: fc.string({ unit: 'grapheme', maxLength: 60 }),
  bytes: someBytes,
  records: someBytes.map((bytes) => ({ bytes, start: 0, end: bytes.length })),
} as const;

/** All that the version of the message can hold; fields that it does not have are there with their defaults. */
export function contentsOf(message: Message, version: number): fc.Arbitrary<Record<string, unknown>> {
  return structOf(message.fields, version);
}

function structOf(fields: Fields, version: number): fc.Arbitrary<Record<string, unknown>> {
  const entries = Object.entries(fields).map(([name, field]) => [name, ofField(field, version)]);
  return fc.record(Object.fromEntries(entries), { noNullPrototype: true });
}

function ofField(field: Field<unknown, unknown, boolean>, version: number): fc.Arbitrary<unknown> {
  if (!includes(field.versions, version)) return fc.constant(defaultOf(field));
  const value = ofType(field.type, version);
  const orNull = includes(field.nullableVersions, version) ? fc.option(value, { freq: 4 }) : value;
  return field.tag < 0 ? orNull : fc.oneof(orNull, fc.constant(defaultOf(field)));
}

function ofType(type: FieldType, version: number): fc.Arbitrary<unknown> {
  if (type.kind === 'array') return fc.array(ofType(type.of, version), { maxLength: 3 });
  return type.kind === 'struct' ? structOf(type.fields, version) : byKind[type.kind];
}

/** A value for comparing: bytes and ranges as hexadecimal. */
export function comparable(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value;
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map(comparable);
  if ('bytes' in value && 'start' in value && 'end' in value) {
    return (value.bytes as Buffer).toString('hex', value.start as number, value.end as number);
  }
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, comparable(item)]));
}
