import type { Table, Value } from '../../src/base/value.ts';

/** What a queue of the model does with its messages. */
export interface Settings {
  readonly ttlMs: number;
  readonly expiresMs: number;
  readonly maxLength: number;
  readonly maxLengthBytes: number;
  readonly overflow: 'drop-head' | 'reject-publish' | 'reject-publish-dlx';
  readonly deadLetterExchange: string | null;
  readonly deadLetterRoutingKey: string | null;
  readonly maxPriority: number;
  readonly isSingleActive: boolean;
  readonly deliveryLimit: number;
  readonly isQuorum: boolean;
  readonly countsDeliveries: boolean;
  readonly retry: { readonly kind: string; readonly minMs: number; readonly maxMs: number } | null;
  readonly deduplication: { readonly windowMs: number | null; readonly entriesMax: number } | null;
}

/**
 * As in RabbitMQ: of two numbers the smaller one counts, of two words the argument's. Infinity stands for no limit;
 * in a policy the keys have no `x-`.
 */
export function settingsOf(args: Table, policy: Table): Settings {
  const limit = (key: string): number =>
    Math.min(numberOr(args[`x-${key}`], Infinity), numberOr(policy[key], Infinity));
  const said = (key: string): Value => args[`x-${key}`] ?? policy[key] ?? null;
  const deliveryLimit = limit('delivery-limit');
  const retryKind = said('delayed-retry-type') ?? 'disabled';
  return {
    ttlMs: limit('message-ttl'),
    expiresMs: limit('expires'),
    maxLength: limit('max-length'),
    maxLengthBytes: limit('max-length-bytes'),
    overflow: (said('overflow') ?? 'drop-head') as Settings['overflow'],
    deadLetterExchange: said('dead-letter-exchange') as string | null,
    deadLetterRoutingKey: said('dead-letter-routing-key') as string | null,
    maxPriority: numberOr(args['x-max-priority'], 0),
    isSingleActive: args['x-single-active-consumer'] === true,
    isQuorum: args['x-queue-type'] === 'quorum',
    deliveryLimit,
    countsDeliveries: args['x-queue-type'] === 'quorum' || deliveryLimit < Infinity,
    retry:
      retryKind === 'disabled'
        ? null
        : {
            kind: retryKind as string,
            minMs: numberOr(said('delayed-retry-min'), 1000),
            maxMs: numberOr(said('delayed-retry-max'), Infinity),
          },
    deduplication:
      said('message-deduplication') === true
        ? {
            windowMs: typeof said('cache-ttl') === 'number' ? (said('cache-ttl') as number) : null,
            entriesMax: numberOr(said('cache-size'), 100_000),
          }
        : null,
  };
}

function numberOr(value: Value | undefined, otherwise: number): number {
  return typeof value === 'number' ? value : otherwise;
}
