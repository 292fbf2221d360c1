import type { Partition } from '../../../broker/streams/partition.ts';
import type { RequestOf } from '../../../wire/kafka/declaration.ts';
import type { ErrorName } from '../../../wire/kafka/error-codes.ts';
import type { fetch } from '../../../wire/kafka/messages/fetch.ts';
import type { Call } from '../handler.ts';

export type FetchRequest = RequestOf<typeof fetch>;
type PartitionRequest = FetchRequest['topics'][number]['partitions'][number];

/** One partition that a client wants to read, from where to how much. */
export interface FetchTarget {
  /** As the request named it: one of the two. */
  readonly topic: string;
  readonly topicId: string;
  readonly index: number;
  fetchOffset: number;
  bytesMax: number;
  leaderEpoch: number;
  lastFetchedEpoch: number;
  /** What the client was told last, in a session; -1 if nothing. */
  toldHighWatermark: number;
  toldStart: number;
}

export function targetKey(isById: boolean, topic: string, topicId: string, index: number): string {
  return `${isById ? topicId : topic}:${index}`;
}

export function newTarget(topic: string, topicId: string, request: PartitionRequest): FetchTarget {
  const target = {
    topic,
    topicId,
    index: request.partition,
    fetchOffset: 0,
    bytesMax: 0,
    leaderEpoch: -1,
    lastFetchedEpoch: -1,
    toldHighWatermark: -1,
    toldStart: -1,
  };
  updateTarget(target, request);
  return target;
}

export function updateTarget(target: FetchTarget, request: PartitionRequest): void {
  target.fetchOffset = request.fetchOffset;
  target.bytesMax = request.partitionMaxBytes;
  target.leaderEpoch = request.currentLeaderEpoch;
  target.lastFetchedEpoch = request.lastFetchedEpoch;
}

/** What a target is now: topics come and go between the requests of a session. */
export type Resolved =
  | { readonly partition: Partition; readonly error: null }
  | { readonly partition: Partition | null; readonly error: ErrorName };

/** The partition, if the client may read there from where it wants. */
export function resolve(target: FetchTarget, call: Call): Resolved {
  const { streams } = call.server.broker;
  const { vhost } = call.connection;
  const isById = call.version >= 13;
  const stream = isById ? streams.byId(target.topicId) : streams.get(vhost, target.topic);
  if (stream === undefined || stream.vhost !== vhost) {
    if (isById) return { partition: null, error: 'UNKNOWN_TOPIC_ID' };
    const isKnowable = call.isAllowed('read', 'topic', target.topic);
    return {
      partition: null,
      error: isKnowable ? 'UNKNOWN_TOPIC_OR_PARTITION' : 'TOPIC_AUTHORIZATION_FAILED',
    };
  }
  if (!call.isAllowed('read', 'topic', stream.name))
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
