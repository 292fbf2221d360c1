import { mapped, mappedBy, type Work } from '../../../base/turn-time.ts';
import { CLUSTER_NAME } from '../../../broker/access/acl.ts';
import type { AnyPartition } from '../../../broker/streams/any-partition.ts';
import type { Owner } from '../../../broker/transactions/requests.ts';
import type { RequestOf, ResponseInput } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES, type ErrorName } from '../../../wire/kafka/error-codes.ts';
import { addPartitionsToTxn } from '../../../wire/kafka/messages/transactions.ts';
import { durable } from '../durably.ts';
import type { ApiHandler } from '../handler.ts';
import { codeOf } from '../transaction-errors.ts';
import type { RequestContext } from './request-context.ts';

type Request = RequestOf<typeof addPartitionsToTxn>;
type Topics = Request['v3AndBelowTopics'];
type Result = NonNullable<ResponseInput<typeof addPartitionsToTxn>['resultsByTopicV3AndBelow']>[number];
type Named = { readonly topic: string; readonly index: number };
type CodeOf = (named: Named) => number;

const FENCED_FROM = 2;
/** From this version on a request carries several transactions: brokers of a cluster send it (KIP-890). */
const BATCHED_FROM = 4;

/** KIP-98. Clients with transaction.version 2 do not send it: Produce adds the partition (KIP-890). */
export const addPartitionsToTxnHandler: ApiHandler<typeof addPartitionsToTxn> = {
  api: addPartitionsToTxn,
  minVersion: 0,
  maxVersion: 5,
  home: 'controller',
  *handle(request, context) {
    if (context.version < BATCHED_FROM) {
      const topics = request.v3AndBelowTopics;
      const codes = yield* add(
        context,
        request.v3AndBelowTransactionalId,
        request.v3AndBelowProducerId,
        request.v3AndBelowProducerEpoch,
        topics,
      );
      yield durable(context.broker);
      return { throttleTimeMs: 0, resultsByTopicV3AndBelow: yield* results(topics, codes) };
    }
    if (!context.isAllowed('cluster-action', 'cluster', CLUSTER_NAME)) {
      return { throttleTimeMs: 0, errorCode: ERROR_CODES.CLUSTER_AUTHORIZATION_FAILED };
    }
    const resultsByTransaction = yield* mappedBy(request.transactions, function* answer(each) {
      const { transactionalId, producerId, producerEpoch, verifyOnly, topics } = each;
      const codes = verifyOnly
        ? verify(context, ownerOf(context, transactionalId, producerId, producerEpoch))
        : yield* add(context, transactionalId, producerId, producerEpoch, topics);
      return { transactionalId, topicResults: yield* results(topics, codes) };
    });
    yield durable(context.broker);
    return { throttleTimeMs: 0, errorCode: ERROR_CODES.NONE, resultsByTransaction };
  },
};

/** All partitions are added, or none. */
function* add(
  context: RequestContext,
  id: string,
  producerId: number,
  epoch: number,
  topics: Topics,
): Work<CodeOf> {
  if (!context.isAllowed('write', 'transactional-id', id))
    return always('TRANSACTIONAL_ID_AUTHORIZATION_FAILED');
  const partitions = new Set<AnyPartition>();
  const { partitionsMax } = context.broker.transactions.settings;
  const refused = new Map<string, ErrorName>();
  for (const { name, partitions: indexes } of topics) {
    yield;
    for (const index of indexes) {
      const stream = context.broker.streams.get(context.client.vhost, name);
      const partition = stream?.partitions[index];
      if (stream?.isInternal === true || !context.isAllowed('write', 'topic', name))
        refused.set(`${name}-${index}`, 'TOPIC_AUTHORIZATION_FAILED');
      else if (partition === undefined) refused.set(`${name}-${index}`, 'UNKNOWN_TOPIC_OR_PARTITION');
      else partitions.add(partition);
      if (partitions.size > partitionsMax) return always('POLICY_VIOLATION');
      yield;
    }
  }
  if (refused.size > 0) {
    return ({ topic, index }) => ERROR_CODES[refused.get(`${topic}-${index}`) ?? 'OPERATION_NOT_ATTEMPTED'];
  }
  const owner = ownerOf(context, id, producerId, epoch);
  const code = codeOf(
    () => context.broker.transactions.grow(owner, [...partitions], []),
    context,
    FENCED_FROM,
  );
  return () => code;
}

function verify(context: RequestContext, owner: Owner): CodeOf {
  return ({ topic, index }) => {
    const partition = partitionOf(context, topic, index);
    if (partition === undefined) return ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION;
    const { transactions } = context.broker;
    return codeOf(() => transactions.verify(owner, partition), context, FENCED_FROM, BATCHED_FROM);
  };
}

function ownerOf({ client }: RequestContext, id: string, producerId: number, epoch: number): Owner {
  return { vhost: client.vhost, id, identity: { producerId, epoch } };
}

function partitionOf(
  { client, broker }: RequestContext,
  topic: string,
  index: number,
): AnyPartition | undefined {
  return broker.streams.get(client.vhost, topic)?.partitions[index];
}

function always(error: ErrorName): CodeOf {
  return () => ERROR_CODES[error];
}

function results(topics: Topics, codes: CodeOf): Work<Result[]> {
  return mappedBy(topics, function* ofTopic({ name, partitions }) {
    const resultsByPartition = yield* mapped(partitions, (index) => ({
      partitionIndex: index,
      partitionErrorCode: codes({ topic: name, index }),
    }));
    return { name, resultsByPartition };
  });
}
