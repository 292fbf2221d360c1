import type { Table, Value } from '../../base/value.ts';
import { erlangText } from '../../base/value-text.ts';
import { BrokerError } from '../errors.ts';
import { isSystemExchange } from './system-exchange.ts';

/** What a policy can be made of. The keys and the texts are RabbitMQ's, where RabbitMQ has them. */
interface Key {
  /** Behind `is not a valid`. */
  readonly noun: string;
  isValid(value: Value): boolean;
  /** Whether operator policies can have it too: all of those are limits, of which the smaller one counts. */
  readonly isLimit: boolean;
}

const keys: ReadonlyMap<string, Key> = new Map([
  ['message-ttl', limit('message TTL', 0)],
  ['expires', limit('queue expiry', 1)],
  ['max-length', limit('maximum length', 0)],
  ['max-length-bytes', limit('maximum length in bytes', 0)],
  ['delivery-limit', limit('delivery limit', 0)],
  ['consumer-timeout', { ...limit('consumer timeout', 1), isLimit: false }],
  ['overflow', words('overflow value', ['drop-head', 'reject-publish', 'reject-publish-dlx'])],
  ['dead-letter-exchange', exchange('dead letter exchange name')],
  ['dead-letter-routing-key', text('dead letter routing key')],
  ['alternate-exchange', exchange('alternate exchange name')],
  // An exchange with this is a stream, too.
  ['remember', flag('remember value')],
  ['remember-partitions', { ...limit('number of partitions', 1), isLimit: false }],
  ['retention-ms', { ...limit('retention time', -1), isLimit: false }],
  ['retention-bytes', { ...limit('retention size', -1), isLimit: false }],
  ['delayed-retry-type', words('delayed retry type', ['disabled', 'all', 'failed', 'returned'])],
  ['delayed-retry-min', { ...limit('delayed retry minimum', 1), isLimit: false }],
  ['delayed-retry-max', { ...limit('delayed retry maximum', 1), isLimit: false }],
  ['message-deduplication', flag('message deduplication value')],
  ['cache-size', { ...limit('deduplication cache size', 1), isLimit: false }],
  ['duplicates', words('way of duplicates', ['drop', 'reject-publish'])],
  ['cache-ttl', { ...limit('deduplication cache TTL', 1), isLimit: false }],
  // What these ask for is so for every queue here: dead letters arrive at least once, backlogs are on disk and not in
  // memory, and there is one format. Where the leader of a queue is to be is no question with one node.
  ['dead-letter-strategy', words('dead letter strategy', ['at-most-once', 'at-least-once'])],
  ['queue-mode', words('queue-mode value', ['default', 'lazy'])],
  ['queue-version', { noun: 'queue-version value', isValid: (v) => v === 1 || v === 2, isLimit: false }],
  ['max-in-memory-length', limit('maximum memory in bytes', 0)],
  ['max-in-memory-bytes', limit('maximum memory in bytes', 0)],
  ['queue-leader-locator', words('queue leader locator value', ['client-local', 'balanced'])],
  ['queue-master-locator', words('queue master locator', ['client-local', 'min-masters', 'random'])],
]);

/** @throws BrokerError precondition-failed */
export function validateDefinition(definition: Table, isOperator: boolean): void {
  const entries = Object.entries(definition);
  if (entries.length === 0) throw refused('no policy provided');
  const unknown = entries.filter(([name]) => !isKnown(name, isOperator)).sort(byName);
  if (unknown.length > 0) {
    const list = unknown.map(([name, value]) => `{<<"${name}">>,${erlang(value)}}`).join(',');
    throw refused(`[${list}] are not recognised policy settings`);
  }
  for (const [name, value] of entries) {
    const { noun, isValid } = keys.get(name) as Key;
    if (!isValid(value)) throw refused(`${erlang(value)} is not a valid ${noun}`);
  }
}

function isKnown(name: string, isOperator: boolean): boolean {
  const key = keys.get(name);
  return key !== undefined && (key.isLimit || !isOperator);
}

function limit(noun: string, least: number): Key {
  const isValid = (value: Value): boolean => {
    if (typeof value === 'bigint') return value >= least;
    return typeof value === 'number' && Number.isInteger(value) && value >= least;
  };
  return { noun, isValid, isLimit: true };
}

function words(noun: string, allowed: readonly string[]): Key {
  return {
    noun,
    isValid: (value) => typeof value === 'string' && allowed.includes(value),
    isLimit: false,
  };
}

function text(noun: string): Key {
  return { noun, isValid: (value) => typeof value === 'string', isLimit: false };
}

/** The broker alone writes to its own. */
function exchange(noun: string): Key {
  return {
    noun,
    isValid: (value) => typeof value === 'string' && !isSystemExchange(value),
    isLimit: false,
  };
}

function flag(noun: string): Key {
  return { noun, isValid: (value) => typeof value === 'boolean', isLimit: false };
}

function erlang(value: Value): string {
  return value === null ? 'null' : erlangText(value);
}

function byName([a]: readonly [string, Value], [b]: readonly [string, Value]): number {
  return a < b ? -1 : 1;
}

function refused(message: string): BrokerError {
  return new BrokerError('precondition-failed', message);
}
