import { filtered, type Work } from '../../../base/turn-time.ts';
import type { Partition } from '../../../broker/streams/partition.ts';
import type { Stream } from '../../../broker/streams/stream.ts';
import { ERROR_CODES } from '../../../wire/kafka/error-codes.ts';
import type { RequestContext } from '../handlers/request-context.ts';
import { NODE_ID } from '../node-id.ts';
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

/** Leader, replicas and in-sync replicas of a partition: this broker. */
export function partitionState({ index, leaderEpoch }: Partition) {
  return {
    errorCode: ERROR_CODES.NONE,
    partitionIndex: index,
    leaderId: NODE_ID,
    leaderEpoch,
    replicaNodes: REPLICAS,
    isrNodes: REPLICAS,
    offlineReplicas: NOBODY,
  };
}

const REPLICAS: readonly number[] = [NODE_ID];
const NOBODY: readonly number[] = [];
