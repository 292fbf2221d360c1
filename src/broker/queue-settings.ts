import type { Table, Value } from '../base/value.ts';

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

/** Of arguments that were validated. Types that mean nothing count as absent. */
export function settingsFromArguments(args: Table): QueueSettings {
  const isQuorum = args['x-queue-type'] === 'quorum';
  const deliveryLimit = integer(args['x-delivery-limit']);
  return {
    messageTtlMs: integer(args['x-message-ttl']),
    expiresMs: integer(args['x-expires']),
    maxLength: integer(args['x-max-length']),
    maxLengthBytes: integer(args['x-max-length-bytes']),
    overflow: (text(args['x-overflow']) ?? 'drop-head') as Overflow,
    deadLetterExchange: text(args['x-dead-letter-exchange']),
    deadLetterRoutingKey: text(args['x-dead-letter-routing-key']),
    maxPriority: integer(args['x-max-priority']) ?? 0,
    singleActiveConsumer: args['x-single-active-consumer'] === true,
    deliveryLimit,
    countsDeliveries: isQuorum || deliveryLimit !== null,
    consumerTimeoutMs: integer(args['x-consumer-timeout']),
    deduplication:
      args['x-message-deduplication'] === true
        ? {
            windowMs: integer(args['x-cache-ttl']) ?? DEDUPLICATION_WINDOW_MS,
            entriesMax: integer(args['x-cache-size']) ?? DEDUPLICATION_ENTRIES_MAX,
          }
        : null,
    retry: null,
  };
}

function integer(value: Value | undefined): number | null {
  if (typeof value === 'bigint') return Number(value);
  return typeof value === 'number' ? value : null;
}

function text(value: Value | undefined): string | null {
  return typeof value === 'string' ? value : null;
}
