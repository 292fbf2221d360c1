import type { Table, Value } from '../../base/value.ts';

export type Overflow = 'drop-head' | 'reject-publish' | 'reject-publish-dlx';

/** Which messages wait before they are delivered again: those that were rejected, those that were given back, or both. */
export type RetryKind = 'all' | 'failed' | 'returned';

export interface Retry {
  readonly kind: RetryKind;
  /** The first delay; the n-th is n times as long. */
  readonly minMs: number;
  readonly maxMs: number;
}

export interface Deduplication {
  /** How long a message is remembered. */
  readonly windowMs: number;
  /** How many are remembered at most; the oldest are forgotten first. */
  readonly entriesMax: number;
}

/** What a queue does with its messages, by its arguments and the policies that match it. */
export interface QueueSettings {
  readonly messageTtlMs: number | null;
  /** The queue goes when it was not used for this long. */
  readonly expiresMs: number | null;
  readonly maxLength: number | null;
  readonly maxLengthBytes: number | null;
  readonly overflow: Overflow;
  readonly deadLetterExchange: string | null;
  readonly deadLetterRoutingKey: string | null;
  /** 0: all messages are equal. Fixed at the declaration. */
  readonly maxPriority: number;
  readonly singleActiveConsumer: boolean;
  /** A message that was delivered more often than this, and failed, is dropped or dead-lettered. */
  readonly deliveryLimit: number | null;
  /** Whether consumers are told how often a message failed. */
  readonly countsDeliveries: boolean;
  readonly consumerTimeoutMs: number | null;
  readonly deduplication: Deduplication | null;
  readonly retry: Retry | null;
}

export const DEDUPLICATION_WINDOW_MS = 5 * 60 * 1000;
export const DEDUPLICATION_ENTRIES_MAX = 100_000;

/** The first delay of a retry of which only the kind was said. */
export const RETRY_DELAY_MS = 1000;

/** Of arguments that were validated, without policies. */
export function settingsFromArguments(args: Table): QueueSettings {
  return settingsFrom(args, {});
}

/**
 * What arguments and policies come to: of two limits the smaller one counts, of two words the argument's. Both were
 * validated; types that mean nothing count as absent. In a policy's definition the keys have no `x-` in front.
 */
export function settingsFrom(args: Table, definition: Table): QueueSettings {
  const said = new Said(args, definition);
  const deliveryLimit = said.limit('delivery-limit');
  return {
    messageTtlMs: said.limit('message-ttl'),
    expiresMs: said.limit('expires'),
    maxLength: said.limit('max-length'),
    maxLengthBytes: said.limit('max-length-bytes'),
    overflow: (said.text('overflow') ?? 'drop-head') as Overflow,
    deadLetterExchange: said.text('dead-letter-exchange'),
    deadLetterRoutingKey: said.text('dead-letter-routing-key'),
    maxPriority: integer(args['x-max-priority']) ?? 0,
    singleActiveConsumer: args['x-single-active-consumer'] === true,
    deliveryLimit,
    countsDeliveries: args['x-queue-type'] === 'quorum' || deliveryLimit !== null,
    consumerTimeoutMs: said.limit('consumer-timeout'),
    deduplication: deduplicationOf(said),
    retry: retryOf(said),
  };
}

/** The same thing said in two places. */
class Said {
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

function deduplicationOf(said: Said): Deduplication | null {
  if (!said.isTrue('message-deduplication')) return null;
  return {
    windowMs: said.number('cache-ttl') ?? DEDUPLICATION_WINDOW_MS,
    entriesMax: said.number('cache-size') ?? DEDUPLICATION_ENTRIES_MAX,
  };
}

function retryOf(said: Said): Retry | null {
  const kind = said.text('delayed-retry-type') ?? 'disabled';
  if (kind === 'disabled') return null;
  const maxMs = said.number('delayed-retry-max') ?? Number.MAX_SAFE_INTEGER;
  const minMs = Math.min(said.number('delayed-retry-min') ?? RETRY_DELAY_MS, maxMs);
  return { kind: kind as RetryKind, minMs, maxMs };
}

function integer(value: Value | undefined): number | null {
  if (typeof value === 'bigint') return Number(value);
  return typeof value === 'number' ? value : null;
}

function text(value: Value | undefined): string | null {
  return typeof value === 'string' ? value : null;
}
