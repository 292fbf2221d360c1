import { mapped, mappedBy, type Work } from '../../../base/turn-time.ts';
import type { ResetTarget } from '../../../broker/groups/offset-reset.ts';
import type { StreamTargets } from '../../../broker/groups/share/own-shares.ts';
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
    let topicsToAlter: readonly Checked[];
    try {
      const group = broker.shareGroups.ensure(client.vhost, groupId, client.actor);
      topicsToAlter = yield* mappedBy(topics, (topic) => check(topic, context));
      const targets = topicsToAlter.flatMap(({ targets }) => targets ?? []);
      if (targets.length > 0) yield* broker.shareGroups.move(group, targets);
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
    const responses = topicsToAlter.map(({ response }) => response);
    return { throttleTimeMs: 0, errorCode: ERROR_CODES.NONE, responses };
  },
};

/** The response for a topic, if its offsets can be altered; null for `targets` if nothing of it can. */
interface Checked {
  readonly response: Topic;
  readonly targets: StreamTargets | null;
}

function* check({ topicName, partitions }: TopicRequest, context: RequestContext): Work<Checked> {
  const { client, broker } = context;
  if (!context.isAllowed('read', 'topic', topicName)) {
    return refused(topicName, partitions, 'TOPIC_AUTHORIZATION_FAILED');
  }
  const stream = broker.streams.get(client.vhost, topicName);
  if (stream === undefined) return refused(topicName, partitions, 'UNKNOWN_TOPIC_OR_PARTITION');
  const targets: [number, ResetTarget][] = [];
  const answers = yield* mapped(partitions, ({ partitionIndex, startOffset }): Partition => {
    if (stream.partitions[partitionIndex] === undefined) {
      return failedPartition(partitionIndex, 'UNKNOWN_TOPIC_OR_PARTITION');
    }
    // Clamped to the partition's log start and high watermark.
    targets.push([partitionIndex, { to: 'offset', offset: startOffset }]);
    return { partitionIndex, errorCode: ERROR_CODES.NONE };
  });
  const response = { topicName, topicId: stream.id, partitions: answers };
  return { response, targets: { streamId: stream.id, targets } };
}

function failed(error: ErrorName, errorMessage: string | null): Response {
  return { throttleTimeMs: 0, errorCode: ERROR_CODES[error], errorMessage, responses: [] };
}

function refused(topicName: string, partitions: TopicRequest['partitions'], error: ErrorName): Checked {
  const failed = partitions.map(({ partitionIndex }) => failedPartition(partitionIndex, error));
  return { response: { topicName, topicId: ZERO_UUID, partitions: failed }, targets: null };
}

function failedPartition(partitionIndex: number, error: ErrorName): Partition {
  return { partitionIndex, errorCode: ERROR_CODES[error], errorMessage: error };
}
