import type { RequestOf } from '../../../wire/kafka/declaration.ts';
import type { fetch } from '../../../wire/kafka/messages/fetch.ts';

export type FetchRequest = RequestOf<typeof fetch>;
type PartitionRequest = FetchRequest['topics'][number]['partitions'][number];

/** A partition of a Fetch request, or of a fetch session: the offset to read from, and the limits. */
export interface FetchPartition {
  /** Requests name either the topic or, from version 13 on, its id (KIP-516). */
  readonly topic: string;
  readonly topicId: string;
  readonly index: number;
  fetchOffset: number;
  bytesMax: number;
  leaderEpoch: number;
  lastFetchedEpoch: number;
  /** High watermark and log start in the last response of the session; -1 before the first. */
  sentHighWatermark: number;
  sentLogStart: number;
}

export function partitionKey(isById: boolean, topic: string, topicId: string, index: number): string {
  return `${isById ? topicId : topic}:${index}`;
}

export function newFetchPartition(topic: string, topicId: string, request: PartitionRequest): FetchPartition {
  const partition = {
    topic,
    topicId,
    index: request.partition,
    fetchOffset: 0,
    bytesMax: 0,
    leaderEpoch: -1,
    lastFetchedEpoch: -1,
    sentHighWatermark: -1,
    sentLogStart: -1,
  };
  updateFetchPartition(partition, request);
  return partition;
}

export function updateFetchPartition(partition: FetchPartition, request: PartitionRequest): void {
  partition.fetchOffset = request.fetchOffset;
  partition.bytesMax = request.partitionMaxBytes;
  partition.leaderEpoch = request.currentLeaderEpoch;
  partition.lastFetchedEpoch = request.lastFetchedEpoch;
}
