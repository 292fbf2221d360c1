import { mapped, mappedBy, type Work } from '../../../base/turn-time.ts';
import type { ShareGroup } from '../../../broker/groups/share/share-group.ts';
import { ownPartition } from '../../../broker/streams/any-partition.ts';
import type { Stream } from '../../../broker/streams/stream.ts';
import { type RequestOf, type ResponseInput, ZERO_UUID } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES, type ErrorName } from '../../../wire/kafka/error-codes.ts';
import { alterShareGroupOffsets } from '../../../wire/kafka/messages/share-groups.ts';
import { durable } from '../durably.ts';
import { groupErrorCode, groupErrorOf } from '../groups/group-errors.ts';
import type { ApiHandler } from '../handler.ts';
import type { RequestContext } from './request-context.ts';

type TopicRequest = RequestOf<typeof alterShareGroupOffsets>['topics'][number];
type Response = ResponseInput<typeof alterShareGroupOffsets>;
type Topic = Response['responses'][number];
type Partition = Topic['partitions'][number];

/** Resets the start offsets of an empty share group, which is created if it does not exist (KIP-932). */
export const alterShareGroupOffsetsHandler: ApiHandler<typeof alterShareGroupOffsets> = {
  api: alterShareGroupOffsets,
  minVersion: 0,
  maxVersion: 0,
  home: 'controller',
  *handle({ groupId, topics }, context) {
    const { client, broker } = context;
    if (!context.isAllowed('read', 'group', groupId)) return failed('GROUP_AUTHORIZATION_FAILED', null);
    let responses: Topic[];
    try {
      const group = broker.shareGroups.ensure(client.vhost, groupId, client.actor);
      responses = yield* mappedBy(topics, (topic) => alter(group, topic, context));
    } catch (error) {
      const { kind, message } = groupErrorOf(error);
      return {
        throttleTimeMs: 0,
        errorCode: groupErrorCode(kind),
        errorMessage: message,
        responses: [],
      };
    }
    yield durable(broker);
    return { throttleTimeMs: 0, errorCode: ERROR_CODES.NONE, responses };
  },
};

function* alter(
  group: ShareGroup,
  { topicName, partitions }: TopicRequest,
  context: RequestContext,
): Work<Topic> {
  const { client, broker } = context;
  const { streams, shareGroups } = broker;
  if (!context.isAllowed('read', 'topic', topicName)) {
    return failedTopic(topicName, partitions, 'TOPIC_AUTHORIZATION_FAILED');
  }
  const stream = streams.get(client.vhost, topicName);
  if (stream === undefined) return failedTopic(topicName, partitions, 'UNKNOWN_TOPIC_OR_PARTITION');
  const starts = new Map<number, number>();
  const answers = yield* mapped(partitions, ({ partitionIndex, startOffset }): Partition => {
    const partition = stream.partitions[partitionIndex];
    if (partition === undefined) return failedPartition(partitionIndex, 'UNKNOWN_TOPIC_OR_PARTITION');
    starts.set(partitionIndex, within(startOffset, stream, partitionIndex));
    return { partitionIndex, errorCode: ERROR_CODES.NONE };
  });
  shareGroups.alter(group, stream, starts);
  return { topicName, topicId: stream.id, partitions: answers };
}

/** The offset, clamped to the partition's log start and high watermark. */
function within(offset: number, { partitions }: Stream, index: number): number {
  const { startOffset = 0, highWatermark = 0 } = ownPartition(partitions[index]) ?? {};
  return Math.min(Math.max(offset, startOffset), highWatermark);
}

function failed(error: ErrorName, errorMessage: string | null): Response {
  return { throttleTimeMs: 0, errorCode: ERROR_CODES[error], errorMessage, responses: [] };
}

function failedTopic(topicName: string, partitions: TopicRequest['partitions'], error: ErrorName): Topic {
  return {
    topicName,
    topicId: ZERO_UUID,
    partitions: partitions.map(({ partitionIndex }) => failedPartition(partitionIndex, error)),
  };
}

function failedPartition(partitionIndex: number, error: ErrorName): Partition {
  return { partitionIndex, errorCode: ERROR_CODES[error], errorMessage: error };
}
