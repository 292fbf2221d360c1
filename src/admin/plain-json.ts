import type { Table, Value } from '../base/value.ts';
import type { Json } from '../base/value-json.ts';

/**
 * A value for people and tools to read: what JSON does not have becomes the nearest that it has. (The journal needs
 * every type again, and has its own way: `value-json.ts`.)
 */
function plainJson(value: Value): Json {
  if (value === null || typeof value !== 'object') {
    if (typeof value === 'bigint')
      return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
    return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
  }
  if (value instanceof Uint8Array) return Buffer.from(value).toString('utf8');
  // Seconds, as a timestamp is in AMQP.
  if (value instanceof Date) return Math.floor(value.getTime() / 1000);
  if (Array.isArray(value)) return value.map(plainJson);
  return plainTable(value as Table);
}

export function plainTable(table: Table): { readonly [key: string]: Json } {
  return Object.fromEntries(Object.entries(table).map(([key, value]) => [key, plainJson(value)]));
}

/** `publishToAck` as `publish_to_ack`: the names in RabbitMQ's API are written so. */
export function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
