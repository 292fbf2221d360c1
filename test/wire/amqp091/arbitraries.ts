import fc from 'fast-check';
import type { Table, Value } from '../../../src/base/value.ts';
import {
  type ArgumentType,
  METHODS,
  type Method,
  type MethodName,
} from '../../../src/wire/amqp091/definitions.ts';
import type { Properties } from '../../../src/wire/amqp091/properties.ts';

const text = fc.string({ unit: 'grapheme', maxLength: 80 });
const shortText = text.filter((value) => Buffer.byteLength(value) <= 255);
const plainBytes = fc.uint8Array({ maxLength: 40 }).map((value) => new Uint8Array(value));
const bigIntegers = fc
  .bigInt(-(2n ** 63n), 2n ** 63n - 1n)
  .filter((value) => !Number.isSafeInteger(Number(value)));
const times = fc.integer({ min: 0, max: 8_640_000_000_000 }).map((seconds) => new Date(seconds * 1000));

/** Every kind of value that comes back from the wire as it went. */
export const anyValue: fc.Arbitrary<Value> = fc.letrec<{ value: Value }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, depthIdentifier: 'value' },
    fc.constant(null),
    fc.boolean(),
    fc.integer(),
    fc.maxSafeInteger(),
    fc.double({ noNaN: true }).filter((value) => !Object.is(value, -0)),
    bigIntegers,
    text,
    plainBytes,
    times,
    fc.array(tie('value'), { maxLength: 4, depthIdentifier: 'value' }),
    fc.dictionary(shortText, tie('value'), { maxKeys: 4, depthIdentifier: 'value' }),
  ),
})).value;

export const anyTable: fc.Arbitrary<Table> = fc.dictionary(shortText, anyValue, { maxKeys: 6 });

const byType: { readonly [T in ArgumentType]: fc.Arbitrary<unknown> } = {
  bit: fc.boolean(),
  octet: fc.nat(0xff),
  short: fc.nat(0xffff),
  long: fc.integer({ min: 0, max: 0xffffffff }),
  longlong: fc.maxSafeNat(),
  shortstr: shortText,
  longstr: plainBytes,
  longtext: text,
  table: anyTable,
};

function methodNamed(name: MethodName): fc.Arbitrary<Method> {
  const model: Record<string, fc.Arbitrary<unknown>> = { name: fc.constant(name) };
  for (const [argument, type] of METHODS[name].arguments) {
    if (!argument.startsWith('reserved')) model[argument] = byType[type];
  }
  return fc.record(model) as fc.Arbitrary<unknown> as fc.Arbitrary<Method>;
}

export const METHOD_NAMES = Object.keys(METHODS) as MethodName[];

export const anyMethod: fc.Arbitrary<Method> = fc.oneof(...METHOD_NAMES.map(methodNamed));

export const anyProperties: fc.Arbitrary<Properties> = fc.record(
  {
    contentType: shortText,
    contentEncoding: shortText,
    headers: anyTable,
    deliveryMode: fc.nat(0xff),
    priority: fc.nat(0xff),
    correlationId: shortText,
    replyTo: shortText,
    expiration: shortText,
    messageId: shortText,
    timestamp: fc.maxSafeNat(),
    type: shortText,
    userId: shortText,
    appId: shortText,
    clusterId: shortText,
  },
  { requiredKeys: [] },
);

/** Tables as lists of entries, for comparing: their prototype and the special key `__proto__` then play no part. */
export function comparable(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value;
  if (value instanceof Uint8Array || value instanceof Date) return value;
  if (Array.isArray(value)) return value.map(comparable);
  return { entries: Object.entries(value).map(([key, item]) => [key, comparable(item)]) };
}

/** No key named `__proto__` or `!` anywhere: amqplib takes the one for a prototype, the other for the type of a value. */
export function amqplibTakesKeys(value: unknown): boolean {
  if (value === null || typeof value !== 'object' || value instanceof Uint8Array) return true;
  return Object.entries(value).every(
    ([key, item]) => key !== '__proto__' && key !== '!' && amqplibTakesKeys(item),
  );
}
