import type { Table, Value } from '../../base/value.ts';
import { typeName } from '../../base/value-text.ts';
import { BrokerError } from '../errors.ts';
import { intervalMs } from './offset-specification.ts';

export interface QueueProperties {
  readonly durable: boolean;
  readonly exclusive: boolean;
  readonly autoDelete: boolean;
  readonly arguments: Table;
}

export type QueueType = 'classic' | 'quorum' | 'stream';

/** As in RabbitMQ 3.10: ten years of 365 days. Policies have no such limit there. */
const DURATION_MS_MAX = 315_360_000_000;
/** Those of RabbitMQ's streams. */
const SEGMENT_BYTES_MAX = 3_000_000_000;

/** Says what is wrong with the value, as it stands behind the colon of the message; null if nothing is. */
type Check = (value: Value, args: Table) => string | null;

/**
 * - all: for queues of each type
 * - both: for those that are no streams
 * - free: the same, but a second declaration may say something else, as in RabbitMQ 3.10
 */
type Use = QueueType | 'all' | 'both' | 'free';

/**
 * What a queue can be declared with, in the order in which RabbitMQ looks at it. Its texts are RabbitMQ 3.10's. All
 * other arguments are data. RabbitMQ ignores `x-delivery-limit` values that are no numbers, and refuses the argument
 * for classic queues; here every queue counts deliveries if it is told to.
 */
const known: readonly (readonly [key: string, use: Use, check: Check])[] = [
  ['x-expires', 'both', durationFrom(1)],
  ['x-message-ttl', 'both', durationFrom(0)],
  ['x-dead-letter-exchange', 'both', () => null],
  ['x-dead-letter-routing-key', 'both', deadLetterRoutingKey],
  ['x-dead-letter-strategy', 'quorum', word(['at-most-once', 'at-least-once'], 'invalid_dlx_strategy')],
  ['x-max-length', 'both', integerFrom(0)],
  ['x-max-length-bytes', 'all', integerFrom(0)],
  ['x-max-in-memory-length', 'quorum', integerFrom(0)],
  ['x-max-in-memory-bytes', 'quorum', integerFrom(0)],
  ['x-max-priority', 'classic', integerFrom(0, 255)],
  ['x-overflow', 'both', word(['drop-head', 'reject-publish', 'reject-publish-dlx'], 'invalid_overflow')],
  ['x-queue-mode', 'classic', choice('mode', ['default', 'lazy'])],
  ['x-queue-version', 'classic', queueVersion],
  ['x-single-active-consumer', 'all', boolean],
  ['x-queue-type', 'all', choice('type', ['classic', 'quorum', 'stream'])],
  ['x-quorum-initial-group-size', 'quorum', integerFrom(1)],
  ['x-max-age', 'stream', maxAge],
  ['x-stream-max-segment-size-bytes', 'stream', integerFrom(1, SEGMENT_BYTES_MAX)],
  // How RabbitMQ finds out which chunks it need not look at, and where it puts a stream's copies.
  ['x-stream-filter-size-bytes', 'stream', integerFrom(16, 255)],
  ['x-initial-cluster-size', 'stream', integerFrom(1)],
  ['x-partitions', 'stream', integerFrom(1)],
  // Where the one node puts its queues is the same for each of them; later RabbitMQs take it for both types, too.
  ['x-queue-leader-locator', 'all', word(['client-local', 'balanced'], 'invalid_queue_locator_arg')],
  [
    'x-queue-master-locator',
    'both',
    word(['client-local', 'min-masters', 'random'], 'invalid_queue_locator_arg'),
  ],
  // With one shard every number means that one.
  ['x-shard', 'free', integerFrom(0)],
  // Minus one, for those who have it from RabbitMQ 4: without a limit.
  ['x-delivery-limit', 'free', integerFrom(-1)],
  ['x-consumer-timeout', 'free', integerFrom(1)],
  [
    'x-delayed-retry-type',
    'both',
    word(['disabled', 'all', 'failed', 'returned'], 'invalid_delayed_retry_type'),
  ],
  ['x-delayed-retry-min', 'both', integerFrom(1)],
  ['x-delayed-retry-max', 'both', integerFrom(1)],
  ['x-message-deduplication', 'both', boolean],
  ['x-cache-size', 'both', integerFrom(1)],
  ['x-cache-ttl', 'both', integerFrom(1)],
  ['x-duplicates', 'both', word(['drop', 'reject-publish'], 'invalid_duplicates')],
];

/** That of arguments which were validated. */
export function queueTypeOf(args: Table): QueueType {
  const type = Object.hasOwn(args, 'x-queue-type') ? args['x-queue-type'] : 'classic';
  return type === 'quorum' || type === 'stream' ? type : 'classic';
}

/** As in RabbitMQ, the server makes up names for classic queues alone: what lasts has to be found again. */
export function refuseServerName(args: Table): void {
  const type = queueTypeOf(args);
  if (type !== 'classic') throw refused(`Cannot declare a server-named queue for type rabbit_${type}_queue`);
}

/** The arguments in which a second declaration has to agree with the first; of those that the queue's type has. */
export function comparedArguments(type: QueueType): readonly string[] {
  return compared[type];
}

const compared = {
  classic: comparedBy('classic'),
  quorum: comparedBy('quorum'),
  stream: comparedBy('stream'),
} as const;

function comparedBy(type: QueueType): string[] {
  return known
    .filter(([, use]) => use === 'all' || use === type || (use === 'both' && type !== 'stream'))
    .map(([key]) => key);
}

/** `resource` is the queue as messages name it: `queue 'q' in vhost '/'`. */
export function validateQueue(queue: QueueProperties, resource: string): void {
  const { arguments: args } = queue;
  const present = known.filter(([key]) => Object.hasOwn(args, key));
  const type = queueTypeOf(args);
  for (const [key, use] of present) {
    if (use === type || use === 'all' || (type !== 'stream' && (use === 'both' || use === 'free'))) continue;
    throw refused(`invalid arg '${key}' for ${resource} of queue type rabbit_${type}_queue`);
  }
  const deadLetterExchange = args['x-dead-letter-exchange'];
  for (const [key, , check] of present) {
    if (key === 'x-dead-letter-exchange' && typeof deadLetterExchange !== 'string') {
      throw refused(`invalid type '${typeName(args[key])}' for arg '${key}' in ${resource}`);
    }
    const reason = check(args[key], args);
    if (reason !== null) throw refused(`invalid arg '${key}' for ${resource}: ${reason}`);
  }
  if (type !== 'classic') validateLasting(queue, resource);
}

/** What RabbitMQ refuses for quorum queues and streams; every durable queue here keeps what a quorum queue promises. */
function validateLasting(queue: QueueProperties, resource: string): void {
  const invalid = queue.autoDelete
    ? 'auto-delete'
    : queue.exclusive
      ? 'exclusive-owner'
      : queue.durable
        ? null
        : 'non-durable';
  if (invalid !== null) throw refused(`invalid property '${invalid}' for ${resource}`);
}

function integerFrom(least: number, greatest = Number.POSITIVE_INFINITY): Check {
  return (value) => {
    if (typeof value !== 'bigint' && (typeof value !== 'number' || !Number.isInteger(value))) {
      // A floating-point number without a fraction cannot be told from an integer any more.
      return `"expected integer, got ${typeName(value)}"`;
    }
    if (value > greatest) return `{max_value_exceeded,${value}}`;
    if (value >= least) return null;
    if (value > 0) return `"expected at least ${least}, got ${value}"`;
    return value < 0 ? `{value_negative,${value}}` : `{value_zero,${value}}`;
  };
}

function durationFrom(leastMs: number): Check {
  const check = integerFrom(leastMs);
  return (value, args) => {
    const reason = check(value, args);
    return reason ?? (Number(value) > DURATION_MS_MAX ? `{value_too_large,${value}}` : null);
  };
}

/** One of a few words, with RabbitMQ's name for what is none of them. */
function word(allowed: readonly string[], otherwise: string): Check {
  return (value) => {
    if (typeof value !== 'string') return unacceptable(value);
    return allowed.includes(value) ? null : otherwise;
  };
}

function choice(noun: string, allowed: readonly string[]): Check {
  return (value) => {
    if (typeof value !== 'string') return unacceptable(value);
    return allowed.includes(value) ? null : `"unsupported queue ${noun} '${value}'"`;
  };
}

function boolean(value: Value): string | null {
  return typeof value === 'boolean' ? null : unacceptable(value);
}

function queueVersion(value: Value, args: Table): string | null {
  const notInteger = integerFrom(Number.NEGATIVE_INFINITY)(value, args);
  if (notInteger !== null) return notInteger;
  return Number(value) === 1 || Number(value) === 2 ? null : `"unsupported queue version '${value}'"`;
}

function deadLetterRoutingKey(value: Value, args: Table): string | null {
  if (typeof value !== 'string') return unacceptable(value);
  return Object.hasOwn(args, 'x-dead-letter-exchange') ? null : 'routing_key_but_no_dlx_defined';
}

function maxAge(value: Value): string | null {
  if (typeof value !== 'string') return unacceptable(value);
  return intervalMs(value) === null ? 'invalid_max_age' : null;
}

function unacceptable(value: Value): string {
  return `{unacceptable_type,${typeName(value)}}`;
}

function refused(message: string): BrokerError {
  return new BrokerError('precondition-failed', message);
}
