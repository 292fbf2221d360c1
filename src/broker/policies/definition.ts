import { parseDuration } from '../../base/duration.ts';
import { didYouMean } from '../../base/suggestion.ts';
import type { Table, Value } from '../../base/value.ts';
import { BrokerError } from '../errors.ts';
import { isSystemExchange } from './system-exchange.ts';

/**
 * What a policy can be made of. The keys are RabbitMQ's, where RabbitMQ has them; the texts are not: policies are set by
 * people, and no client compares what they are told.
 */
interface Key {
  /** Behind `has to be`. */
  readonly allowed: string;
  isValid(value: Value): boolean;
  /** Whether operator policies can have it too: all of those are limits, of which the smaller one counts. */
  readonly isLimit: boolean;
  /** Milliseconds, which may be written as a duration such as '30m'. */
  readonly isDuration?: true;
}

const keys: ReadonlyMap<string, Key> = new Map([
  ['message-ttl', duration(0)],
  ['expires', duration(1)],
  ['max-length', limit(0)],
  ['max-length-bytes', limit(0)],
  ['delivery-limit', limit(0)],
  ['consumer-timeout', { ...duration(1), isLimit: false }],
  ['overflow', words(['drop-head', 'reject-publish', 'reject-publish-dlx'])],
  ['dead-letter-exchange', exchange()],
  ['dead-letter-routing-key', text()],
  ['alternate-exchange', exchange()],
  // An exchange with this is a stream, too.
  ['remember', flag()],
  ['remember-partitions', { ...limit(1), isLimit: false }],
  ['retention-ms', { ...duration(-1), isLimit: false }],
  ['retention-bytes', { ...limit(-1), isLimit: false }],
  ['delayed-retry-type', words(['disabled', 'all', 'failed', 'returned'])],
  ['delayed-retry-min', { ...duration(1), isLimit: false }],
  ['delayed-retry-max', { ...duration(1), isLimit: false }],
  ['message-deduplication', flag()],
  ['cache-size', { ...limit(1), isLimit: false }],
  ['duplicates', words(['drop', 'reject-publish'])],
  ['cache-ttl', { ...duration(1), isLimit: false }],
  // A queue whose shard is that of others, too, when they are declared.
  ['shard-with', text()],
  // What these ask for is so for every queue here: dead letters arrive at least once, backlogs are on disk and not in
  // memory, and there is one format. Where the leader of a queue is to be is no question with one node.
  ['dead-letter-strategy', words(['at-most-once', 'at-least-once'])],
  ['queue-mode', words(['default', 'lazy'])],
  ['queue-version', { allowed: '1 or 2', isValid: (v) => v === 1 || v === 2, isLimit: false }],
  ['max-in-memory-length', limit(0)],
  ['max-in-memory-bytes', limit(0)],
  ['queue-leader-locator', words(['client-local', 'balanced'])],
  ['queue-master-locator', words(['client-local', 'min-masters', 'random'])],
]);

/** @throws BrokerError precondition-failed */
export function validateDefinition(definition: Table, isOperator: boolean): void {
  const entries = Object.entries(definition);
  if (entries.length === 0) {
    throw refused(`a policy without settings has no effect; ${thoseThere(isOperator)}`);
  }
  for (const [name, value] of entries) {
    const key = keys.get(name);
    if (key === undefined || (isOperator && !key.isLimit)) throw refused(notAKey(name, key, isOperator));
    if (!key.isValid(value)) throw refused(`'${name}' has to be ${key.allowed}, not ${shown(value)}`);
  }
}

/** Times that are written as '30m' in milliseconds, as everything else has them. What is no such time is left as it is. */
export function withMilliseconds(definition: Table): Table {
  const entries = Object.entries(definition).map(([name, value]): [string, Value] => {
    if (keys.get(name)?.isDuration !== true || typeof value !== 'string') return [name, value];
    const hasUnit = /[a-z]$/.test(value);
    return [name, (hasUnit ? parseDuration(value, 'ms') : undefined) ?? value];
  });
  return Object.fromEntries(entries);
}

function notAKey(name: string, key: Key | undefined, isOperator: boolean): string {
  const known = namesFor(isOperator);
  if (key !== undefined) return `'${name}' is for policies, not for operator policies; ${thoseThere(true)}`;
  // Arguments of queues have the same names with `x-` before them.
  const meant = didYouMean(name.replace(/^x-/, ''), known);
  const kind = isOperator ? 'an operator policy' : 'a policy';
  return `'${name.slice(0, NAME_CHARACTERS_MAX)}' is no setting of ${kind}${meant}; ${thoseThere(isOperator)}`;
}

function thoseThere(isOperator: boolean): string {
  return `${isOperator ? 'operator policies' : 'policies'} can have ${namesFor(isOperator).join(', ')}`;
}

function namesFor(isOperator: boolean): string[] {
  return Array.from(keys).flatMap(([name, { isLimit }]) => (isLimit || !isOperator ? [name] : []));
}

function limit(least: number): Key {
  const isValid = (value: Value): boolean => {
    if (typeof value === 'bigint') return value >= least;
    return typeof value === 'number' && Number.isInteger(value) && value >= least;
  };
  return { allowed: `a whole number from ${least} up`, isValid, isLimit: true };
}

function duration(least: number): Key {
  const allowed = `milliseconds from ${least} up, or a time such as "30s", "30m", "12h"`;
  return { ...limit(least), allowed, isDuration: true };
}

function words(allowed: readonly string[]): Key {
  return {
    allowed: allowed.map((word) => `'${word}'`).join(' or '),
    isValid: (value) => typeof value === 'string' && allowed.includes(value),
    isLimit: false,
  };
}

function text(): Key {
  return { allowed: 'a text', isValid: (value) => typeof value === 'string', isLimit: false };
}

/** The broker alone writes to its own. */
function exchange(): Key {
  return {
    allowed: 'the name of an exchange that is not internal to the broker',
    isValid: (value) => typeof value === 'string' && !isSystemExchange(value),
    isLimit: false,
  };
}

function flag(): Key {
  return { allowed: 'true or false', isValid: (value) => typeof value === 'boolean', isLimit: false };
}

function shown(value: Value): string {
  if (typeof value === 'bigint') return String(value);
  return (JSON.stringify(value) ?? String(value)).slice(0, NAME_CHARACTERS_MAX);
}

const NAME_CHARACTERS_MAX = 100;

function refused(message: string): BrokerError {
  return new BrokerError('precondition-failed', message);
}
