import type { Value } from '../../base/value.ts';
import { type Json, valueToJson } from '../../base/value-json.ts';

/**
 * A header's value as those read it who know bytes alone: text as it is, numbers and truth values in words, bytes as
 * they are, times in ISO 8601, lists and tables as JSON. Null for no value.
 */
export function headerBytes(value: Value): Uint8Array | null {
  if (value === null) return null;
  if (value instanceof Uint8Array) return value;
  return Buffer.from(headerText(value), 'utf8');
}

function headerText(value: Exclude<Value, null | Uint8Array>): string {
  if (typeof value === 'string') return value;
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString();
  if (typeof value === 'object') return JSON.stringify(readable(value));
  return String(value);
}

/** Without the marks by which JSON keeps a value's type: that is in the envelope. */
function readable(value: Value): Json {
  if (typeof value === 'bigint') return value.toString();
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64');
  if (value instanceof Date || typeof value === 'number') return plain(valueToJson(value), value);
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(readable);
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, readable(each)]));
}

function plain(json: Json, value: Date | number): Json {
  if (typeof json === 'number') return json;
  return value instanceof Date ? headerText(value) : String(value);
}
