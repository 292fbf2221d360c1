import type { Value } from '../../base/value.ts';

/** Where reading a stream begins. */
export type OffsetSpecification =
  | { readonly kind: 'first' }
  /** With the last batch that is there: a record of it, at least, is delivered. */
  | { readonly kind: 'last' }
  /** With what comes. */
  | { readonly kind: 'next' }
  | { readonly kind: 'offset'; readonly offset: number }
  /** With the first record of this time or a later one. Milliseconds since 1970. */
  | { readonly kind: 'time'; readonly timeMs: number };

const DAY_MS = 86_400_000;

/** As RabbitMQ has them: a month has 30 days, and a year 365. */
const UNIT_MS: Readonly<Record<string, number>> = {
  Y: 365 * DAY_MS,
  M: 30 * DAY_MS,
  D: DAY_MS,
  h: 3_600_000,
  m: 60_000,
  s: 1000,
};

/** `1h`, `7D`: the milliseconds; null for what is no such interval. */
export function intervalMs(text: string): number | null {
  const match = /^(\d{1,15})([YMDhms])$/.exec(text);
  if (match === null) return null;
  return Number(match[1]) * UNIT_MS[match[2]];
}

/**
 * `first`, `last`, `next`, an offset, a time, or an interval that reaches back from now. Null for everything else.
 */
export function offsetSpecification(value: Value, nowMs: number): OffsetSpecification | null {
  if (value === 'first' || value === 'last' || value === 'next') return { kind: value };
  if (value instanceof Date) {
    const timeMs = value.getTime();
    return Number.isNaN(timeMs) ? null : { kind: 'time', timeMs };
  }
  if (typeof value === 'number' || typeof value === 'bigint') {
    const offset = Number(value);
    return Number.isSafeInteger(offset) && offset >= 0 ? { kind: 'offset', offset } : null;
  }
  if (typeof value !== 'string') return null;
  const backMs = intervalMs(value);
  return backMs === null ? null : { kind: 'time', timeMs: Math.floor(nowMs - backMs) };
}
