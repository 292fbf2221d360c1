import { filtered } from '../../../base/turn-time.ts';
import { distinct } from '../../../base/work-collections.ts';
import { Pattern } from '../../../broker/policies/pattern.ts';
import type { TransactionalProducer } from '../../../broker/transactions/transactional-producer.ts';
import { ERROR_CODES } from '../../../wire/kafka/error-codes.ts';
import { listTransactions } from '../../../wire/kafka/messages/transaction-admin.ts';
import type { ApiHandler } from '../handler.ts';
import { ALL_STATES, stateOf } from '../transaction-states.ts';

interface Filters {
  readonly states: ReadonlySet<string>;
  readonly ids: ReadonlySet<number>;
  /** Negative: any. */
  readonly durationMs: number;
}

/** KIP-664: asked of every broker, as ListGroups is; filters by duration (KIP-994) and by a pattern of transactional ids (KIP-1152). */
export const listTransactionsHandler: ApiHandler<typeof listTransactions> = {
  api: listTransactions,
  minVersion: 0,
  maxVersion: 2,
  *handle(request, context) {
    const pattern = patternOf(request.transactionalIdPattern);
    if (pattern === 'invalid') {
      return {
        throttleTimeMs: 0,
        errorCode: ERROR_CODES.INVALID_REGULAR_EXPRESSION,
        unknownStateFilters: [],
        transactionStates: [],
      };
    }
    const { broker } = context;
    const nowMs = broker.shard.clock.now();
    const transactionStates = [];
    const filters = {
      states: yield* distinct(request.stateFilters),
      ids: yield* distinct(request.producerIdFilters),
      durationMs: request.durationFilter,
    };
    for (const producer of broker.transactions.list(context.client.vhost)) {
      yield;
      if (!isWanted(producer, filters, nowMs) || pattern?.matches(producer.id) === false) continue;
      if (!context.isAllowed('describe', 'transactional-id', producer.id)) continue;
      transactionStates.push({
        transactionalId: producer.id,
        producerId: producer.identity.producerId,
        transactionState: stateOf(producer),
      });
    }
    return {
      throttleTimeMs: 0,
      errorCode: ERROR_CODES.NONE,
      unknownStateFilters: yield* filtered(filters.states, (state) => !ALL_STATES.has(state)),
      transactionStates,
    };
  },
};

function isWanted(
  producer: TransactionalProducer,
  { states, ids, durationMs }: Filters,
  nowMs: number,
): boolean {
  const { identity, isOngoing, startMs } = producer;
  if (states.size > 0 && !states.has(stateOf(producer))) return false;
  if (ids.size > 0 && !ids.has(identity.producerId)) return false;
  return durationMs < 0 || (isOngoing && nowMs - startMs > durationMs);
}

/** The pattern has to match the whole transactional id. */
function patternOf(source: string | null): Pattern | null | 'invalid' {
  if (source === null || source === '') return null;
  const pattern = new Pattern(source, { isWhole: true });
  return pattern.problem === null ? pattern : 'invalid';
}
