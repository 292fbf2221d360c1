import type { Table, Value } from './value.ts';

/**
 * Whether two header values are the same to a headers exchange. As in RabbitMQ the type on the wire does not count:
 * 1 equals 1.0 whatever their widths, a string equals the same bytes, a timestamp equals its number of seconds.
 */
export function valuesEqual(a: Value, b: Value): boolean {
  if (a === b) return true;
  if (a === null || b === null) return false;
  const numberA = numberOf(a);
  if (numberA !== null) {
    const numberB = numberOf(b);
    // biome-ignore lint/suspicious/noDoubleEquals: compares a bigint with a number by value, as nothing else does.
    return numberB !== null && numberA == numberB;
  }
  const bytesA = bytesOf(a);
  if (bytesA !== null) {
    const bytesB = bytesOf(b);
    return bytesB !== null && bytesA.equals(bytesB);
  }
  if (isArray(a)) return isArray(b) && arraysEqual(a, b);
  return isTable(a) && isTable(b) && tablesEqual(a, b);
}

function tablesEqual(a: Table, b: Table): boolean {
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every((key) => Object.hasOwn(b, key) && valuesEqual(a[key], b[key]));
}

function arraysEqual(a: readonly Value[], b: readonly Value[]): boolean {
  return a.length === b.length && a.every((value, index) => valuesEqual(value, b[index]));
}

function numberOf(value: Value): number | bigint | null {
  if (typeof value === 'number' || typeof value === 'bigint') return value;
  return value instanceof Date ? value.getTime() / 1000 : null;
}

function bytesOf(value: Value): Buffer | null {
  if (typeof value === 'string') return Buffer.from(value, 'utf8');
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return null;
}

function isArray(value: Value): value is readonly Value[] {
  return Array.isArray(value);
}

export function isTable(value: Value): value is Table {
  return (
    typeof value === 'object' &&
    value !== null &&
    !isArray(value) &&
    !(value instanceof Uint8Array) &&
    !(value instanceof Date)
  );
}

/** A text that equal values share, for looking them up; values that differ may share it too. */
export function equalityKey(value: Value): string {
  const number = numberOf(value);
  if (number !== null) return `n${Number(number)}`;
  if (typeof value === 'string') return `s${value}`;
  const bytes = bytesOf(value);
  if (bytes !== null) return `s${bytes.toString('utf8')}`;
  return typeof value === 'boolean' ? `b${value}` : 'other';
}
