import type { Table, Value } from '../../base/value.ts';
import { isTable } from '../../base/value-equality.ts';
import type { PropertyEdit } from '../messages/property-codec.ts';

/** Why a message leaves its queue for good; for the dead-letter exchange these words stand in its headers. */
export type DeathReason = 'rejected' | 'expired' | 'maxlen' | 'delivery_limit';

/** What an entry of `x-death` tells. */
export interface Death {
  readonly queue: string;
  readonly reason: DeathReason;
  /** What the message was published to, and with which keys, to get into the queue. */
  readonly exchange: string;
  readonly routingKeys: readonly string[];
  readonly timeMs: number;
  /** The message's own expiration, as its property says it. */
  readonly expiration: string | null;
}

/**
 * RabbitMQ's headers for dead letters: `x-death` is an array with a counting entry for each queue and reason, the latest
 * first; `x-first-death-…` and `x-last-death-…` tell of the first and the last dead-lettering.
 */
export function recordDeath(headers: Table | null, death: Death): PropertyEdit {
  const { queue, reason, exchange } = death;
  const before = deathsOf(headers);
  const known = before.find((each) => each.queue === queue && each.reason === reason);
  const others = before.filter((each) => each !== known).map(withLongCount);
  const count = known === undefined ? 0n : countOf(known);
  const latest: Table = {
    ...(known ?? newDeath(death)),
    count: count + 1n,
  };
  const last = {
    'x-last-death-exchange': exchange,
    'x-last-death-queue': queue,
    'x-last-death-reason': reason,
  };
  const isFirst = headers === null || !Object.hasOwn(headers, 'x-first-death-reason');
  const first = isFirst
    ? { 'x-first-death-exchange': exchange, 'x-first-death-queue': queue, 'x-first-death-reason': reason }
    : {};
  return { set: { 'x-death': [latest, ...others], ...first, ...last }, dropExpiration: true };
}

/** Whether a message would come back to this queue though no consumer rejected it on the way: such a cycle has no end. */
export function isCycle(headers: Table | null, death: Death, target: string): boolean {
  const deaths = [{ queue: death.queue, reason: death.reason as Value }, ...deathsOf(headers)];
  const last = deaths.findIndex((each) => each.queue === target);
  if (last < 0) return false;
  return deaths.slice(0, last + 1).every((each) => each.reason !== 'rejected');
}

function deathsOf(headers: Table | null): Table[] {
  const deaths = headers?.['x-death'];
  return Array.isArray(deaths) ? deaths.filter(isTable) : [];
}

function newDeath({ queue, reason, exchange, routingKeys, timeMs, expiration }: Death): Table {
  return {
    count: 1n,
    reason,
    queue,
    time: new Date(Math.floor(timeMs / 1000) * 1000),
    exchange,
    'routing-keys': [...routingKeys],
    ...(expiration === null ? {} : { 'original-expiration': expiration }),
  };
}

/** RabbitMQ counts in 64 bits; clients in typed languages rely on that. */
function withLongCount(death: Table): Table {
  return typeof death.count === 'number' ? { ...death, count: countOf(death) } : death;
}

/** Publishers may send this header, with anything in it: what is no count begins at 0. */
function countOf({ count }: Table): bigint {
  if (typeof count === 'bigint') return BigInt.asIntN(63, count);
  return typeof count === 'number' && Number.isSafeInteger(count) ? BigInt(count) : 0n;
}
