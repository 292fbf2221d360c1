import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import type { Table, Value } from '../../../src/base/value.ts';
import { METHODS, type Method, type MethodName } from '../../../src/wire/amqp091/definitions.ts';
import { methodId } from '../../../src/wire/amqp091/methods.ts';

/** amqplib's codec, written by others from the same specification, and asked whether it agrees with ours. */
interface AmqplibDefinitions {
  encodeMethod(id: number, channel: number, fields: object): Buffer;
  encodeProperties(id: number, channel: number, size: number, fields: object): Buffer;
  decode(id: number, bytes: Buffer): Record<string, unknown>;
  info(id: number): { id: number; name: string; args: { name: string; type: string }[] };
}

// Not among the package's exports, so by its path.
const load = createRequire(import.meta.url);
const path = fileURLToPath(new URL('../../../node_modules/amqplib/lib/defs.js', import.meta.url));
export const amqplib: AmqplibDefinitions = load(path);

/** The class id alone, as amqplib names the properties of class basic. */
export const BASIC_PROPERTIES = 60;

/** The same method in amqplib's words: it spells some names otherwise, so arguments are matched by their place. */
export function toAmqplibFields(method: Method): Record<string, unknown> {
  const theirs = amqplib.info(methodId(method.name)).args;
  const fields: Record<string, unknown> = {};
  METHODS[method.name].arguments.forEach(([name, type], i) => {
    if (name.startsWith('reserved')) fields[theirs[i].name] = reservedValue(type);
    else fields[theirs[i].name] = toAmqplib((method as unknown as Record<string, Value>)[name], type);
  });
  return fields;
}

function reservedValue(type: string): unknown {
  if (type === 'longstr') return Buffer.alloc(0);
  if (type === 'shortstr') return '';
  return type === 'bit' ? false : 0;
}

function toAmqplib(value: Value, type: string): unknown {
  if (type === 'longtext') return Buffer.from(value as string);
  if (type === 'longstr') return Buffer.from(value as Uint8Array);
  return type === 'table' ? toAmqplibValue(value) : value;
}

/** Field values with amqplib's explicit types, where it would guess otherwise or not at all. */
export function toAmqplibValue(value: Value): unknown {
  if (typeof value === 'bigint') return { '!': 'int64', value };
  if (typeof value === 'number' && !Number.isSafeInteger(value)) return { '!': 'double', value };
  if (value === null || typeof value !== 'object') return value;
  if (value instanceof Uint8Array) return Buffer.from(value);
  if (value instanceof Date) return { '!': 'timestamp', value: value.getTime() / 1000 };
  if (Array.isArray(value)) return value.map(toAmqplibValue);
  return Object.fromEntries(Object.entries(value as Table).map(([key, item]) => [key, toAmqplibValue(item)]));
}

/** What amqplib decoded, as ours would be. */
export function fromAmqplib(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value;
  if (Buffer.isBuffer(value)) return new Uint8Array(value);
  if (Array.isArray(value)) return value.map(fromAmqplib);
  const tagged = value as Record<string, unknown>;
  if (tagged['!'] === 'timestamp') return new Date((tagged.value as number) * 1000);
  return Object.fromEntries(Object.entries(tagged).map(([key, item]) => [key, fromAmqplib(item)]));
}

/** Arguments that amqplib decoded, as a method of ours. */
export function fromAmqplibFields(
  name: MethodName,
  fields: Record<string, unknown>,
): Record<string, unknown> {
  const theirs = amqplib.info(methodId(name)).args;
  const method: Record<string, unknown> = { name };
  METHODS[name].arguments.forEach(([argument, type], i) => {
    const value = fields[theirs[i].name];
    if (argument.startsWith('reserved')) return;
    method[argument] = type === 'longtext' ? String(value) : fromAmqplib(value);
  });
  return method;
}

/** Integers beyond 2^53 as amqplib gives them: rounded to a number. */
export function rounded(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (value === null || typeof value !== 'object') return value;
  if (value instanceof Uint8Array || value instanceof Date) return value;
  if (Array.isArray(value)) return value.map(rounded);
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, rounded(item)]));
}
