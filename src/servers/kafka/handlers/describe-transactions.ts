import { mapped } from '../../../base/turn-time.ts';
import { distinct } from '../../../base/work-collections.ts';
import type { AnyPartition } from '../../../broker/streams/any-partition.ts';
import type { ResponseInput } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES, type ErrorName } from '../../../wire/kafka/error-codes.ts';
import { describeTransactions } from '../../../wire/kafka/messages/transaction-admin.ts';
import type { ApiHandler } from '../handler.ts';
import { stateOf } from '../transaction-states.ts';
import type { RequestContext } from './request-context.ts';

type Described = ResponseInput<typeof describeTransactions>['transactionStates'][number];

/** KIP-664: state and partitions of transactional ids. */
export const describeTransactionsHandler: ApiHandler<typeof describeTransactions> = {
  api: describeTransactions,
  minVersion: 0,
  maxVersion: 0,
  home: 'controller',
  *handle({ transactionalIds }, context) {
    const ids = yield* distinct(transactionalIds);
    return { throttleTimeMs: 0, transactionStates: yield* mapped(ids, (id) => describe(context, id)) };
  },
};

function describe(context: RequestContext, id: string): Described {
  if (!context.isAllowed('describe', 'transactional-id', id)) {
    return failed(id, 'TRANSACTIONAL_ID_AUTHORIZATION_FAILED');
  }
  const producer = context.broker.transactions.find(context.client.vhost, id);
  if (producer === undefined) return failed(id, 'TRANSACTIONAL_ID_NOT_FOUND');
  return {
    errorCode: ERROR_CODES.NONE,
    transactionalId: id,
    transactionState: stateOf(producer),
    transactionTimeoutMs: producer.timeoutMs,
    transactionStartTimeMs: producer.startMs,
    producerId: producer.identity.producerId,
    producerEpoch: producer.identity.epoch,
    topics: topicsOf(context, producer.partitions),
  };
}

/** The partitions whose topics the client may describe. */
function topicsOf(context: RequestContext, partitions: Iterable<AnyPartition>): Described['topics'] {
  const topics = new Map<string, number[]>();
  for (const { stream, index } of partitions) {
    if (stream.isRemoved || !context.isAllowed('describe', 'topic', stream.name)) continue;
    const indexes = topics.get(stream.name) ?? [];
    topics.set(stream.name, indexes);
    indexes.push(index);
  }
  return Array.from(topics, ([topic, indexes]) => ({ topic, partitions: indexes }));
}

function failed(transactionalId: string, error: ErrorName): Described {
  return {
    errorCode: ERROR_CODES[error],
    transactionalId,
    transactionState: '',
    transactionTimeoutMs: 0,
    transactionStartTimeMs: 0,
    producerId: 0,
    producerEpoch: 0,
    topics: [],
  };
}
