import type { Table, Value } from './value.ts';

/** What JSON.parse gives. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };

/**
 * A Value as JSON. What JSON does not know becomes an object with one key that begins with a single `$`:
 *
 *     {"$bigint": "123"}   {"$bytes": "<base64>"}   {"$date": <ms since 1970, or null>}   {"$number": "NaN"}
 *
 * A key of a table that begins with `$` gets another one in front.
 */
export function valueToJson(value: Value): Json {
  if (value === null || typeof value === 'boolean' || typeof value === 'string') return value;
  if (typeof value === 'number') {
    if (Object.is(value, -0)) return { $number: '-0' };
    return Number.isFinite(value) ? value : { $number: String(value) };
  }
  if (typeof value === 'bigint') return { $bigint: value.toString() };
  if (value instanceof Uint8Array) return { $bytes: Buffer.from(value).toString('base64') };
  if (value instanceof Date) {
    const time = value.getTime();
    return { $date: Number.isNaN(time) ? null : time };
  }
  if (Array.isArray(value)) return value.map(valueToJson);
  return tableToJson(value as Table);
}

export function tableToJson(table: Table): { readonly [key: string]: Json } {
  // fromEntries, unlike assignment, also makes a plain property of a key like `__proto__`.
  return Object.fromEntries(
    Object.entries(table).map(([key, value]) => [key.startsWith('$') ? `$${key}` : key, valueToJson(value)]),
  );
}

/** @throws Error if it is not what valueToJson makes. */
function valueFromJson(json: Json): Value {
  if (json === null || typeof json !== 'object') return json;
  if (isJsonArray(json)) return json.map(valueFromJson);
  for (const key of Object.keys(json)) if (isTag(key)) return taggedValue(key, json[key]);
  return tableFromJson(json);
}

export function tableFromJson(json: { readonly [key: string]: Json }): Table {
  return Object.fromEntries(
    Object.entries(json).map(([key, value]) => {
      if (isTag(key)) throw new Error(`a table cannot be tagged '${key}'`);
      return [key.startsWith('$$') ? key.slice(1) : key, valueFromJson(value)];
    }),
  );
}

function isTag(key: string): boolean {
  return key.startsWith('$') && !key.startsWith('$$');
}

function taggedValue(tag: string, json: Json): Value {
  if (tag === '$bigint' && typeof json === 'string') return BigInt(json);
  if (tag === '$bytes' && typeof json === 'string') return new Uint8Array(Buffer.from(json, 'base64'));
  if (tag === '$date' && (typeof json === 'number' || json === null)) return new Date(json ?? Number.NaN);
  if (tag === '$number' && typeof json === 'string') return Number(json);
  throw new Error(`unknown kind of value '${tag}'`);
}

function isJsonArray(json: Json): json is readonly Json[] {
  return Array.isArray(json);
}
