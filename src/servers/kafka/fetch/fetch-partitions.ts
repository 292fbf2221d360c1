import type { RequestOf } from '../../../wire/kafka/declaration.ts';
import type { fetch } from '../../../wire/kafka/messages/fetch.ts';

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
