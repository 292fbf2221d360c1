import { mapped, mappedBy, type Work } from '../../../base/turn-time.ts';
import type { ShareGroup } from '../../../broker/groups/share/share-group.ts';
import { ownPartition } from '../../../broker/streams/any-partition.ts';
import type { Stream } from '../../../broker/streams/stream.ts';
import { type RequestOf, type ResponseInput, ZERO_UUID } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES, type ErrorName } from '../../../wire/kafka/error-codes.ts';
import { describeShareGroupOffsets } from '../../../wire/kafka/messages/share-groups.ts';
import { missingGroup } from '../groups/missing-group.ts';
import { withoutRepeated } from '../groups/repeated-groups.ts';
import type { ApiHandler } from '../handler.ts';
import type { RequestContext } from './request-context.ts';

type GroupRequest = RequestOf<typeof describeShareGroupOffsets>['groups'][number];
type Group = ResponseInput<typeof describeShareGroupOffsets>['groups'][number];
type Topic = Group['topics'][number];
type Partition = Topic['partitions'][number];

/** `start_offset` of a partition that the group has not read yet. */
const NO_OFFSET = -1;

/** Share-partition start offset and lag of share groups (KIP-932, KIP-1226). */
export const describeShareGroupOffsetsHandler: ApiHandler<typeof describeShareGroupOffsets> = {
  api: describeShareGroupOffsets,
  minVersion: 0,
  maxVersion: 1,
  home: 'controller',
  *handle({ groups }, context) {
    const wanted = yield* withoutRepeated(groups);
    return { throttleTimeMs: 0, groups: yield* mappedBy(wanted, (request) => describe(request, context)) };
  },
};

function* describe({ groupId, topics }: GroupRequest, context: RequestContext): Work<Group> {
  if (!context.isAllowed('describe', 'group', groupId)) {
    return { groupId, topics: [], errorCode: ERROR_CODES.GROUP_AUTHORIZATION_FAILED };
  }
  const { client, broker } = context;
  const group = broker.shareGroups.find(client.vhost, groupId);
  if (group === undefined) {
    const errorMessage = missingGroup('share', groupId, context);
    return { groupId, topics: [], errorCode: ERROR_CODES.GROUP_ID_NOT_FOUND, errorMessage };
  }
  return {
    groupId,
    topics:
      topics === null
        ? yield* all(group, context)
        : yield* mappedBy(topics, ({ topicName, partitions }) =>
            asked(group, topicName, partitions, context),
          ),
    errorCode: ERROR_CODES.NONE,
  };
}

function* all(group: ShareGroup, context: RequestContext): Work<Topic[]> {
  const topics: Topic[] = [];
  for (const [id, readers] of group.readers) {
    const stream = context.broker.streams.byId(id);
    if (stream === undefined || !context.isAllowed('describe', 'topic', stream.name)) continue;
    const indexes = [...readers.keys()].sort((a, b) => a - b);
    topics.push({
      topicName: stream.name,
      topicId: id,
      partitions: yield* mapped(indexes, (index) => describePartition(group, stream, index)),
    });
  }
  return topics;
}

function* asked(
  group: ShareGroup,
  topicName: string,
  partitions: readonly number[],
  context: RequestContext,
): Work<Topic> {
  const stream = context.broker.streams.get(context.client.vhost, topicName);
  if (!context.isAllowed('describe', 'topic', topicName)) {
    return failed(topicName, partitions, 'TOPIC_AUTHORIZATION_FAILED');
  }
  if (stream === undefined) return failed(topicName, partitions, 'UNKNOWN_TOPIC_OR_PARTITION');
  return {
    topicName,
    topicId: stream.id,
    partitions: yield* mapped(partitions, (index) => describePartition(group, stream, index)),
  };
}

function describePartition(group: ShareGroup, stream: Stream, partitionIndex: number): Partition {
  const partition = ownPartition(stream.partitions[partitionIndex]);
  if (partition === undefined) return failedPartition(partitionIndex, 'UNKNOWN_TOPIC_OR_PARTITION');
  const share = group.readers.get(stream.id)?.get(partitionIndex)?.share;
  return {
    partitionIndex,
    startOffset: share === undefined ? NO_OFFSET : Math.max(share.startOffset, partition.startOffset),
    leaderEpoch: partition.leaderEpoch,
    lag: share?.settled.missingIn(partition.startOffset, partition.highWatermark) ?? -1,
    errorCode: ERROR_CODES.NONE,
  };
}

function failed(topicName: string, partitions: readonly number[], error: ErrorName): Topic {
  return {
    topicName,
    topicId: ZERO_UUID,
    partitions: partitions.map((index) => failedPartition(index, error)),
  };
}

function failedPartition(partitionIndex: number, error: ErrorName): Partition {
  return {
    partitionIndex,
    startOffset: NO_OFFSET,
    leaderEpoch: -1,
    errorCode: ERROR_CODES[error],
    errorMessage: error,
  };
}
