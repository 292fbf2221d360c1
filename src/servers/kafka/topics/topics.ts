import { filtered, type Work } from '../../../base/turn-time.ts';
import type { AnyPartition } from '../../../broker/streams/any-partition.ts';
import type { Partition } from '../../../broker/streams/partition.ts';
import type { Stream } from '../../../broker/streams/stream.ts';
import { ERROR_CODES } from '../../../wire/kafka/error-codes.ts';
import type { RequestContext } from '../handlers/request-context.ts';
import { nodeIdOf } from '../node-id.ts';
import { isTopicName } from './topic-name.ts';

/** The topic of this name in the client's virtual host. */
export function topicByName(context: RequestContext, name: string): Stream | undefined {
  return isTopicName(name) ? context.broker.streams.get(context.client.vhost, name) : undefined;
}

export function topicById(context: RequestContext, id: string): Stream | undefined {
  const stream = context.broker.streams.byId(id);
  return stream?.vhost === context.client.vhost && isTopicName(stream.name) ? stream : undefined;
}

/** All topics that the client may describe, sorted by name. */
export function* describableTopics(context: RequestContext): Work<Stream[]> {
  const streams = context.broker.streams.list(context.client.vhost);
  const topics = yield* filtered(
    streams,
    ({ name }) => isTopicName(name) && context.isAllowed('describe', 'topic', name),
  );
  return topics.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Why a partition is not to be had here. Upon the second, clients look for its leader. */
export type NotLed = 'UNKNOWN_TOPIC_OR_PARTITION' | 'NOT_LEADER_OR_FOLLOWER';

/** The partition, if this broker leads it. */
export function ledPartition(stream: Stream | undefined, index: number): Partition | NotLed {
  const partition = stream?.partitions[index];
  if (partition === undefined) return 'UNKNOWN_TOPIC_OR_PARTITION';
  return partition.isRemote ? 'NOT_LEADER_OR_FOLLOWER' : partition;
}

/** Leader, replicas and in-sync replicas of a partition: the broker of its shard. */
export function partitionState({ index, shard, leaderEpoch }: AnyPartition) {
  const replicas = replicasOf(shard);
  const isLed = leaderEpoch !== null;
  return {
    errorCode: isLed ? ERROR_CODES.NONE : ERROR_CODES.LEADER_NOT_AVAILABLE,
    partitionIndex: index,
    leaderId: isLed ? replicas[0] : NOBODY_ID,
    leaderEpoch: leaderEpoch ?? -1,
    replicaNodes: replicas,
    isrNodes: isLed ? replicas : NOBODY,
    offlineReplicas: isLed ? NOBODY : replicas,
  };
}

const NOBODY: readonly number[] = [];
const NOBODY_ID = -1;
/** By shard: there are very many partitions. */
const REPLICAS: (readonly number[])[] = [];

function replicasOf(shard: number): readonly number[] {
  return (REPLICAS[shard] ??= [nodeIdOf(shard)]);
}
