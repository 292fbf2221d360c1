import { CLUSTER_NAME } from '../../../broker/access/acl.ts';
import type { Partition } from '../../../broker/streams/partition.ts';
import type { Owner } from '../../../broker/transactions/requests.ts';
import type { RequestOf } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES, type ErrorName } from '../../../wire/kafka/error-codes.ts';
import { addPartitionsToTxn } from '../../../wire/kafka/messages/transactions.ts';
import { durable } from '../durably.ts';
import type { ApiHandler, Call } from '../handler.ts';
import { codeOf } from '../transaction-errors.ts';

type Request = RequestOf<typeof addPartitionsToTxn>;
type Topics = Request['v3AndBelowTopics'];
type Named = { readonly topic: string; readonly index: number };
type CodeOf = (named: Named) => number;

const FENCED_FROM = 2;
/** Several transactions in one request, as brokers of a cluster send it. */
const BATCHED_FROM = 4;

/** KIP-98. A client of today does not ask: what it writes is in its transaction (KIP-890). */
export const addPartitionsToTxnHandler: ApiHandler<typeof addPartitionsToTxn> = {
  api: addPartitionsToTxn,
  minVersion: 0,
  maxVersion: 5,
  async handle(request, call) {
    if (call.version < BATCHED_FROM) {
      const topics = request.v3AndBelowTopics;
      const codes = add(
        call,
        request.v3AndBelowTransactionalId,
        request.v3AndBelowProducerId,
        request.v3AndBelowProducerEpoch,
        topics,
      );
      await durable(call.server.broker);
      return { throttleTimeMs: 0, resultsByTopicV3AndBelow: results(topics, codes) };
    }
    if (!call.isAllowed('cluster-action', 'cluster', CLUSTER_NAME)) {
      return { throttleTimeMs: 0, errorCode: ERROR_CODES.CLUSTER_AUTHORIZATION_FAILED };
    }
    const resultsByTransaction = request.transactions.map((each) => {
      const { transactionalId, producerId, producerEpoch, verifyOnly, topics } = each;
      const codes = verifyOnly
        ? verify(call, ownerOf(call, transactionalId, producerId, producerEpoch))
        : add(call, transactionalId, producerId, producerEpoch, topics);
      return { transactionalId, topicResults: results(topics, codes) };
    });
    await durable(call.server.broker);
    return { throttleTimeMs: 0, errorCode: ERROR_CODES.NONE, resultsByTransaction };
  },
};

/** All of them, or none. */
function add(call: Call, id: string, producerId: number, epoch: number, topics: Topics): CodeOf {
  if (!call.isAllowed('write', 'transactional-id', id))
    return always('TRANSACTIONAL_ID_AUTHORIZATION_FAILED');
  const partitions: Partition[] = [];
  const refused = new Map<string, ErrorName>();
  for (const { name, partitions: indexes } of topics) {
    for (const index of indexes) {
      const partition = partitionOf(call, name, index);
      if (!call.isAllowed('write', 'topic', name))
        refused.set(`${name}-${index}`, 'TOPIC_AUTHORIZATION_FAILED');
      else if (partition === undefined) refused.set(`${name}-${index}`, 'UNKNOWN_TOPIC_OR_PARTITION');
      else partitions.push(partition);
    }
  }
  if (refused.size > 0) {
    return ({ topic, index }) => ERROR_CODES[refused.get(`${topic}-${index}`) ?? 'OPERATION_NOT_ATTEMPTED'];
  }
  const owner = ownerOf(call, id, producerId, epoch);
  const code = codeOf(() => call.server.broker.transactions.grow(owner, partitions, []), call, FENCED_FROM);
  return () => code;
}

function verify(call: Call, owner: Owner): CodeOf {
  return ({ topic, index }) => {
    const partition = partitionOf(call, topic, index);
    if (partition === undefined) return ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION;
    const { transactions } = call.server.broker;
    return codeOf(() => transactions.verify(owner, partition), call, FENCED_FROM, BATCHED_FROM);
  };
}

function ownerOf({ connection }: Call, id: string, producerId: number, epoch: number): Owner {
  return { vhost: connection.vhost, id, identity: { producerId, epoch } };
}

function partitionOf({ server, connection }: Call, topic: string, index: number): Partition | undefined {
  return server.broker.streams.get(connection.vhost, topic)?.partitions[index];
}

function always(error: ErrorName): CodeOf {
  return () => ERROR_CODES[error];
}

function results(topics: Topics, codes: CodeOf) {
  return topics.map(({ name, partitions }) => ({
    name,
    resultsByPartition: partitions.map((index) => ({
      partitionIndex: index,
      partitionErrorCode: codes({ topic: name, index }),
    })),
  }));
}
