import { converted, distinct } from '../../../base/work-collections.ts';
import type { AnyPartition } from '../../../broker/streams/any-partition.ts';
import type { Stream } from '../../../broker/streams/stream.ts';
import { NOT_ASKED, type ResponseInput, ZERO_UUID } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES, type ErrorName } from '../../../wire/kafka/error-codes.ts';
import { describeTopicPartitions } from '../../../wire/kafka/messages/metadata.ts';
import { authorizedOperations } from '../groups/authorized-operations.ts';
import type { ApiHandler } from '../handler.ts';
import { isInternalTopic, isTopicName } from '../topics/topic-name.ts';
import { describableTopics, partitionState, topicByName } from '../topics/topics.ts';
import type { RequestContext } from './request-context.ts';

type Response = ResponseInput<typeof describeTopicPartitions>;
type TopicResult = Response['topics'][number];

const PARTITIONS_MAX = 2000;

/** Topic metadata in pages, sorted by name, with a cursor for the next page (KIP-966). */
export const describeTopicPartitionsHandler: ApiHandler<typeof describeTopicPartitions> = {
  api: describeTopicPartitions,
  minVersion: 0,
  maxVersion: 0,
  *handle({ topics, cursor, responsePartitionLimit }, context) {
    const isAll = topics.length === 0;
    const named = isAll ? yield* describableTopics(context) : topics;
    const names = yield* converted(named, ({ name }) => name);
    const wanted = [...(yield* distinct(names))].sort();
    const results: TopicResult[] = [];
    let left = Math.max(1, Math.min(responsePartitionLimit, PARTITIONS_MAX));
    for (const name of wanted) {
      yield;
      if (cursor !== null && name < cursor.topicName) continue;
      if (left === 0) return answer(results, { topicName: name, partitionIndex: 0 });
      const stream = context.isAllowed('describe', 'topic', name) ? topicByName(context, name) : undefined;
      if (stream === undefined) {
        // Asked for all topics: one that was deleted meanwhile is left out.
        if (!isAll) results.push(missing(name, context));
        continue;
      }
      const from = cursor?.topicName === name ? Math.max(0, cursor.partitionIndex) : 0;
      results.push(found(stream, from, left, context));
      const next = from + left;
      if (next < stream.partitions.length) return answer(results, { topicName: name, partitionIndex: next });
      left -= Math.max(0, stream.partitions.length - from);
    }
    return answer(results, null);
  },
};

function answer(topics: readonly TopicResult[], nextCursor: Response['nextCursor']): Response {
  return { throttleTimeMs: 0, topics, nextCursor };
}

function found(stream: Stream, from: number, count: number, context: RequestContext): TopicResult {
  return {
    errorCode: ERROR_CODES.NONE,
    name: stream.name,
    topicId: stream.id,
    isInternal: isInternalTopic(stream.name),
    partitions: stream.partitions.slice(from, from + count).map(partitionResult),
    topicAuthorizedOperations: authorizedOperations(true, 'topic', stream.name, context),
  };
}

/** Empty lists: the protocol allows null here, but Kafka's Java client fails on it. */
function partitionResult(partition: AnyPartition) {
  return { ...partitionState(partition), eligibleLeaderReplicas: [], lastKnownElr: [] };
}

function missing(name: string, context: RequestContext): TopicResult {
  const error: ErrorName = !context.isAllowed('describe', 'topic', name)
    ? 'TOPIC_AUTHORIZATION_FAILED'
    : isTopicName(name)
      ? 'UNKNOWN_TOPIC_OR_PARTITION'
      : 'INVALID_TOPIC_EXCEPTION';
  return {
    errorCode: ERROR_CODES[error],
    name,
    topicId: ZERO_UUID,
    partitions: [],
    topicAuthorizedOperations: NOT_ASKED,
  };
}
