import type { Partition } from '../../../broker/streams/partition.ts';
import type { ErrorName } from '../../../wire/kafka/error-codes.ts';
import type { RequestContext } from '../handlers/request-context.ts';
import { ledPartition } from '../topics/topics.ts';
import type { FetchPartition } from './fetch-partitions.ts';

/** A partition that can be read, or the error to respond with. */
export type Resolved =
  | { readonly partition: Partition; readonly error: null }
  | { readonly partition: Partition | null; readonly error: ErrorName };

/** Checks permission, leader epoch and offset; anew for each request, as topics come and go in a session. */
export function resolve(wanted: FetchPartition, context: RequestContext): Resolved {
  const { streams } = context.broker;
  const { vhost } = context.client;
  const isById = context.version >= 13;
  const stream = isById ? streams.byId(wanted.topicId) : streams.get(vhost, wanted.topic);
  if (stream === undefined || stream.vhost !== vhost) {
    if (isById) return { partition: null, error: 'UNKNOWN_TOPIC_ID' };
    const isKnowable = context.isAllowed('read', 'topic', wanted.topic);
    return {
      partition: null,
      error: isKnowable ? 'UNKNOWN_TOPIC_OR_PARTITION' : 'TOPIC_AUTHORIZATION_FAILED',
    };
  }
  if (!context.isAllowed('read', 'topic', stream.name))
    return { partition: null, error: 'TOPIC_AUTHORIZATION_FAILED' };
  const partition = ledPartition(stream, wanted.index);
  if (typeof partition === 'string') return { partition: null, error: partition };
  const error = epochError(partition, wanted.leaderEpoch);
  if (error !== null) return { partition, error };
  if (partition.log.isCorrupt) return { partition, error: 'KAFKA_STORAGE_ERROR' };
  const { fetchOffset } = wanted;
  if (fetchOffset < partition.startOffset || fetchOffset > partition.endOffset) {
    return { partition, error: 'OFFSET_OUT_OF_RANGE' };
  }
  return { partition, error: null };
}

/** Compares `current_leader_epoch` of a request with the partition's (KIP-320); -1 is not checked. */
export function epochError(partition: Partition, epoch: number): ErrorName | null {
  if (epoch < 0 || epoch === partition.leaderEpoch) return null;
  return epoch < partition.leaderEpoch ? 'FENCED_LEADER_EPOCH' : 'UNKNOWN_LEADER_EPOCH';
}
