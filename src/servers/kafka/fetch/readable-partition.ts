import type { Partition } from '../../../broker/streams/partition.ts';
import type { ErrorName } from '../../../wire/kafka/error-codes.ts';
import type { RequestContext } from '../handlers/request-context.ts';
import type { FetchTarget } from './fetch-partitions.ts';

/** What a target is now: topics come and go between the requests of a session. */
export type Resolved =
  | { readonly partition: Partition; readonly error: null }
  | { readonly partition: Partition | null; readonly error: ErrorName };

/** The partition, if the client may read there from where it wants. */
export function resolve(target: FetchTarget, context: RequestContext): Resolved {
  const { streams } = context.broker;
  const { vhost } = context.client;
  const isById = context.version >= 13;
  const stream = isById ? streams.byId(target.topicId) : streams.get(vhost, target.topic);
  if (stream === undefined || stream.vhost !== vhost) {
    if (isById) return { partition: null, error: 'UNKNOWN_TOPIC_ID' };
    const isKnowable = context.isAllowed('read', 'topic', target.topic);
    return {
      partition: null,
      error: isKnowable ? 'UNKNOWN_TOPIC_OR_PARTITION' : 'TOPIC_AUTHORIZATION_FAILED',
    };
  }
  if (!context.isAllowed('read', 'topic', stream.name))
    return { partition: null, error: 'TOPIC_AUTHORIZATION_FAILED' };
  const partition = stream.partitions[target.index];
  if (partition === undefined) return { partition: null, error: 'UNKNOWN_TOPIC_OR_PARTITION' };
  const error = epochError(partition, target.leaderEpoch);
  if (error !== null) return { partition, error };
  if (partition.log.isCorrupt) return { partition, error: 'KAFKA_STORAGE_ERROR' };
  const { fetchOffset } = target;
  if (fetchOffset < partition.startOffset || fetchOffset > partition.endOffset) {
    return { partition, error: 'OFFSET_OUT_OF_RANGE' };
  }
  return { partition, error: null };
}

/** KIP-320: whether the client knows an older leader than we are, or a newer one; -1 is neither. */
export function epochError(partition: Partition, epoch: number): ErrorName | null {
  if (epoch < 0 || epoch === partition.leaderEpoch) return null;
  return epoch < partition.leaderEpoch ? 'FENCED_LEADER_EPOCH' : 'UNKNOWN_LEADER_EPOCH';
}
