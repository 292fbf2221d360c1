import type { Value } from './value.ts';

/**
 * How RabbitMQ's messages name the type of a value. A Value does not know the width that it had on the wire:
 * integers are named as the smallest of `signedint` and `long` that holds them.
 */
export function typeName(value: Value): string {
  if (value === null) return 'void';
  if (typeof value === 'string') return 'longstr';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'bigint') return 'long';
  if (typeof value === 'number') {
    if (!Number.isInteger(value)) return 'double';
    return value === (value | 0) ? 'signedint' : 'long';
  }
  if (value instanceof Uint8Array) return 'binary';
  if (value instanceof Date) return 'timestamp';
  return Array.isArray(value) ? 'array' : 'table';
}

/** A value as it stands between quotes in RabbitMQ's messages: strings as they are. */
export function plainText(value: Value): string {
  return typeof value === 'string' ? value : erlangText(value);
}

/** A value as Erlang prints it, for the messages in which RabbitMQ lets it. */
export function erlangText(value: Value): string {
  if (value === null) return 'undefined';
  if (typeof value === 'string') return `<<"${value}">>`;
  if (value instanceof Uint8Array) return `<<${value.join(',')}>>`;
  if (value instanceof Date) return String(Math.floor(value.getTime() / 1000));
  if (typeof value !== 'object') return String(value);
  if (isList(value)) return `[${value.map(typedText).join(',')}]`;
  return `[${Object.entries(value)
    .map(([key, item]) => `{<<"${key}">>,${typeName(item)},${erlangText(item)}}`)
    .join(',')}]`;
}

function typedText(value: Value): string {
  return `{${typeName(value)},${erlangText(value)}}`;
}

function isList(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}
