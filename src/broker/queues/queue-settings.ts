import type { Table, Value } from '../../base/value.ts';

export type Overflow = 'drop-head' | 'reject-publish' | 'reject-publish-dlx';

/** Which messages wait before they are delivered again: those that a consumer rejected, those that it did not settle, or all. */
export type RetryKind = 'all' | 'failed' | 'returned';

export interface Retry {
  readonly kind: RetryKind;
  /** The first delay; the n-th is n times as long. */
  readonly minMs: number;
  readonly maxMs: number;
}

export interface Deduplication {
  /** How long a name is known after it came, whether its message is still there or not; null: as long as that is there. */
  readonly windowMs: number | null;
  /** How many names are known at most; the oldest are forgotten first. */
  readonly entriesMax: number;
  /** Whether a duplicate is refused, and so negatively confirmed, and not only dropped. */
  readonly refuses: boolean;
}

/** What a queue does with its messages, by its arguments and the policies that match it. */
export interface QueueSettings {
  readonly messageTtlMs: number | null;
  /** The queue is deleted when it was not used for this long. */
  readonly expiresMs: number | null;
  readonly maxLength: number | null;
  readonly maxLengthBytes: number | null;
  readonly overflow: Overflow;
  readonly deadLetterExchange: string | null;
  readonly deadLetterRoutingKey: string | null;
  /** 0: all messages are equal. Fixed at the declaration. */
  readonly maxPriority: number;
  readonly singleActiveConsumer: boolean;
  /** Declared as a quorum queue. Fixed at the declaration. */
  readonly isQuorum: boolean;
  /** A message that failed more often than this is dropped or dead-lettered. */
  readonly deliveryLimit: number | null;
  /** Whether consumers are told how often a message failed. */
  readonly countsDeliveries: boolean;
  readonly consumerTimeoutMs: number | null;
  readonly deduplication: Deduplication | null;
  readonly retry: Retry | null;
}

export const DEDUPLICATION_ENTRIES_MAX = 100_000;

/** The first delay of a retry where only the kind is given. */
export const RETRY_DELAY_MS = 1000;

/** Of validated arguments, without policies. */
export function settingsFromArguments(args: Table): QueueSettings {
  return settingsFrom(args, {});
}

/**
 * Arguments and policies together: of two limits the smaller one counts, of two texts the argument's. Both were
 * validated; values of another type count as absent. In a policy's definition the keys have no `x-` in front.
 */
export function settingsFrom(args: Table, definition: Table): QueueSettings {
  const given = new ArgumentsAndPolicy(args, definition);
  const isQuorum = args['x-queue-type'] === 'quorum';
  const deliveryLimit = given.limit('delivery-limit');
  return {
    messageTtlMs: given.limit('message-ttl'),
    expiresMs: given.limit('expires'),
    maxLength: given.limit('max-length'),
    maxLengthBytes: given.limit('max-length-bytes'),
    overflow: (given.text('overflow') ?? 'drop-head') as Overflow,
    deadLetterExchange: given.text('dead-letter-exchange'),
    deadLetterRoutingKey: given.text('dead-letter-routing-key'),
    maxPriority: integer(args['x-max-priority']) ?? 0,
    singleActiveConsumer: args['x-single-active-consumer'] === true,
    isQuorum,
    deliveryLimit,
    countsDeliveries: isQuorum || deliveryLimit !== null,
    consumerTimeoutMs: given.limit('consumer-timeout'),
    deduplication: deduplicationOf(given),
    retry: retryOf(given),
  };
}

/** The arguments of a queue, and the definition of the policies that match it. */
class ArgumentsAndPolicy {
  readonly #args: Table;
  readonly #definition: Table;

  constructor(args: Table, definition: Table) {
    this.#args = args;
    this.#definition = definition;
  }

  /** The smaller of two. A negative one is none. */
  limit(key: string): number | null {
    const argument = integer(this.#args[`x-${key}`]);
    const policy = integer(this.#definition[key]);
    const smaller = argument === null || argument < 0 ? policy : Math.min(argument, policy ?? argument);
    return smaller === null || smaller < 0 ? null : smaller;
  }

  number(key: string): number | null {
    return integer(this.#args[`x-${key}`]) ?? integer(this.#definition[key]);
  }

  text(key: string): string | null {
    return text(this.#args[`x-${key}`]) ?? text(this.#definition[key]);
  }

  isTrue(key: string): boolean {
    return (this.#args[`x-${key}`] ?? this.#definition[key]) === true;
  }
}

function deduplicationOf(given: ArgumentsAndPolicy): Deduplication | null {
  if (!given.isTrue('message-deduplication')) return null;
  return {
    windowMs: given.number('cache-ttl'),
    entriesMax: given.number('cache-size') ?? DEDUPLICATION_ENTRIES_MAX,
    refuses: given.text('duplicates') === 'reject-publish',
  };
}

function retryOf(given: ArgumentsAndPolicy): Retry | null {
  const kind = given.text('delayed-retry-type') ?? 'disabled';
  if (kind === 'disabled') return null;
  const maxMs = given.number('delayed-retry-max') ?? Number.MAX_SAFE_INTEGER;
  const minMs = Math.min(given.number('delayed-retry-min') ?? RETRY_DELAY_MS, maxMs);
  return { kind: kind as RetryKind, minMs, maxMs };
}

function integer(value: Value | undefined): number | null {
  if (typeof value === 'bigint') return Number(value);
  return typeof value === 'number' ? value : null;
}

function text(value: Value | undefined): string | null {
  return typeof value === 'string' ? value : null;
}
