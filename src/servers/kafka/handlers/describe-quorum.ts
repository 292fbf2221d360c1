import { mapped, mappedBy } from '../../../base/turn-time.ts';
import { CLUSTER_NAME } from '../../../broker/access/acl.ts';
import type { ResponseInput } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES, type ErrorName } from '../../../wire/kafka/error-codes.ts';
import { describeQuorum } from '../../../wire/kafka/messages/cluster.ts';
import { codesOf, fault } from '../fault.ts';
import type { ApiHandler } from '../handler.ts';
import { NODE_ID } from '../node-id.ts';
import type { RequestContext } from './request-context.ts';

type PartitionResult = ResponseInput<typeof describeQuorum>['topics'][number]['partitions'][number];

const METADATA_TOPIC = '__cluster_metadata';
const LISTENER = 'CONTROLLER';

/**
 * The KRaft quorum (KIP-595): the controller is the only voter, and other shards are no part of it. Metadata are journal entries rather than a topic, so block
 * numbers of the journal stand for offsets.
 */
export const describeQuorumHandler: ApiHandler<typeof describeQuorum> = {
  api: describeQuorum,
  minVersion: 0,
  maxVersion: 2,
  home: 'controller',
  *handle({ topics }, context) {
    if (!context.isAllowed('describe', 'cluster', CLUSTER_NAME)) {
      return { ...codesOf(fault('CLUSTER_AUTHORIZATION_FAILED')), topics: [], nodes: [] };
    }
    const { host, port } = context.brokers[0];
    const found = yield* mappedBy(topics, function* ofTopic({ topicName, partitions }) {
      const results = yield* mapped(partitions, ({ partitionIndex }) =>
        topicName === METADATA_TOPIC && partitionIndex === 0
          ? quorum(context)
          : unknown(partitionIndex, 'UNKNOWN_TOPIC_OR_PARTITION'),
      );
      return { topicName, partitions: results };
    });
    return {
      ...codesOf(null),
      topics: found,
      nodes: [{ nodeId: NODE_ID, listeners: [{ name: LISTENER, host, port }] }],
    };
  },
};

function quorum({ broker }: RequestContext): PartitionResult {
  const { epoch, lastBlock, durableBlock } = broker.shard.journalPosition;
  const nowMs = Math.floor(broker.shard.nowMs);
  return {
    partitionIndex: 0,
    ...codesOf(null),
    leaderId: NODE_ID,
    leaderEpoch: epoch,
    highWatermark: durableBlock,
    currentVoters: [
      {
        replicaId: NODE_ID,
        logEndOffset: lastBlock,
        lastFetchTimestamp: nowMs,
        lastCaughtUpTimestamp: nowMs,
      },
    ],
    observers: [],
  };
}

function unknown(partitionIndex: number, error: ErrorName): PartitionResult {
  return {
    partitionIndex,
    errorCode: ERROR_CODES[error],
    errorMessage: null,
    leaderId: -1,
    leaderEpoch: -1,
    highWatermark: -1,
    currentVoters: [],
    observers: [],
  };
}
