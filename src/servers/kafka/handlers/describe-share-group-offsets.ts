import { atOnce, mapped, mappedBy, type Work, walked } from '../../../base/turn-time.ts';
import type { AskedShares, ShareOffset } from '../../../broker/groups/share/own-shares.ts';
import { ShareGroup } from '../../../broker/groups/share/share-group.ts';
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
    const known = yield* mapped(wanted, (request): Wanted => wantedGroup(request, context));
    const found: AskedShares<ShareGroup>[] = [];
    for (const { request, group } of known) {
      if (group instanceof ShareGroup)
        found.push({ group, streamIds: yield* streamsOf(request.topics, context) });
      yield;
    }
    const offsets = yield* context.broker.shareGroups.offsets(found);
    const described = yield* mappedBy(known, ({ request, group }) =>
      group instanceof ShareGroup
        ? describe(request, offsets.get(group) ?? [], context)
        : atOnce((): Group => group),
    );
    return { throttleTimeMs: 0, groups: described };
  },
};

/** The group, or what is answered instead. */
interface Wanted {
  readonly request: GroupRequest;
  readonly group: ShareGroup | Group;
}

function wantedGroup(request: GroupRequest, context: RequestContext): Wanted {
  const { groupId } = request;
  const { client, broker } = context;
  if (!context.isAllowed('describe', 'group', groupId)) {
    const errorCode = ERROR_CODES.GROUP_AUTHORIZATION_FAILED;
    return { request, group: { groupId, topics: [], errorCode } };
  }
  const group = broker.shareGroups.find(client.vhost, groupId);
  if (group !== undefined) return { request, group };
  const errorMessage = missingGroup('share', groupId, context);
  const errorCode = ERROR_CODES.GROUP_ID_NOT_FOUND;
  return { request, group: { groupId, topics: [], errorCode, errorMessage } };
}

/** Those that are asked for; null for all that the group reads. */
function* streamsOf(topics: GroupRequest['topics'], context: RequestContext): Work<readonly string[] | null> {
  if (topics === null) return null;
  const ids = new Set<string>();
  for (const { topicName } of topics) {
    const stream = context.broker.streams.get(context.client.vhost, topicName);
    if (stream !== undefined) ids.add(stream.id);
    yield;
  }
  return [...ids];
}

type Offsets = ReadonlyMap<string, ReadonlyMap<number, ShareOffset>>;

function* describe(
  { groupId, topics }: GroupRequest,
  offsets: readonly ShareOffset[],
  context: RequestContext,
): Work<Group> {
  const byStream = new Map<string, Map<number, ShareOffset>>();
  yield* walked(offsets, (each) => {
    let of = byStream.get(each.streamId);
    if (of === undefined) byStream.set(each.streamId, (of = new Map()));
    of.set(each.index, each);
  });
  return {
    groupId,
    topics:
      topics === null
        ? yield* all(byStream, context)
        : yield* mappedBy(topics, ({ topicName, partitions }) =>
            asked(byStream, topicName, partitions, context),
          ),
    errorCode: ERROR_CODES.NONE,
  };
}

function* all(offsets: Offsets, context: RequestContext): Work<Topic[]> {
  const topics: Topic[] = [];
  for (const [id, of] of offsets) {
    const stream = context.broker.streams.byId(id);
    if (stream === undefined || !context.isAllowed('describe', 'topic', stream.name)) continue;
    topics.push({
      topicName: stream.name,
      topicId: id,
      partitions: yield* mapped(of.keys(), (index) => describePartition(stream, index, of)),
    });
  }
  return topics;
}

function* asked(
  offsets: Offsets,
  topicName: string,
  partitions: readonly number[],
  context: RequestContext,
): Work<Topic> {
  const stream = context.broker.streams.get(context.client.vhost, topicName);
  if (!context.isAllowed('describe', 'topic', topicName)) {
    return failed(topicName, partitions, 'TOPIC_AUTHORIZATION_FAILED');
  }
  if (stream === undefined) return failed(topicName, partitions, 'UNKNOWN_TOPIC_OR_PARTITION');
  const of = offsets.get(stream.id);
  return {
    topicName,
    topicId: stream.id,
    partitions: yield* mapped(partitions, (index) => describePartition(stream, index, of)),
  };
}

function describePartition(
  stream: Stream,
  partitionIndex: number,
  offsets: ReadonlyMap<number, ShareOffset> | undefined,
): Partition {
  const partition = stream.partitions[partitionIndex];
  if (partition === undefined) return failedPartition(partitionIndex, 'UNKNOWN_TOPIC_OR_PARTITION');
  const found = offsets?.get(partitionIndex);
  return {
    partitionIndex,
    startOffset: found?.offset ?? NO_OFFSET,
    leaderEpoch: partition.leaderEpoch ?? -1,
    lag: found?.lag ?? -1,
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
