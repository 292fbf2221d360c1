import { mapped, mappedBy, type Work } from '../../../base/turn-time.ts';
import { converted } from '../../../base/work-collections.ts';
import type { CommittedOffset } from '../../../broker/groups/committed-offsets.ts';
import type { Group } from '../../../broker/groups/group.ts';
import type { GroupStream } from '../../../broker/groups/ports.ts';
import type { RequestOf, ResponseInput } from '../../../wire/kafka/declaration.ts';
import { ZERO_UUID } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES, type ErrorName } from '../../../wire/kafka/error-codes.ts';
import { offsetFetch } from '../../../wire/kafka/messages/group-offsets.ts';
import { whenDurable } from '../durably.ts';
import { groupErrorCode, groupErrorOf } from '../groups/group-errors.ts';
import { withoutRepeated } from '../groups/repeated-groups.ts';
import { topicOf } from '../groups/topics.ts';
import type { ApiHandler } from '../handler.ts';
import type { RequestContext } from './request-context.ts';

type GroupRequest = RequestOf<typeof offsetFetch>['groups'][number];
type GroupResponse = NonNullable<ResponseInput<typeof offsetFetch>['groups']>[number];
type TopicResponse = GroupResponse['topics'][number];
type PartitionResponse = TopicResponse['partitions'][number];
type TopicRequest = NonNullable<GroupRequest['topics']>[number];

const GROUP_ERROR_VERSION = 2;
const BATCHED_VERSION = 8;
const TOPIC_IDS_VERSION = 10;
const GROUPS_PER_STEP = 32;
const NO_TOPICS: GroupResponse['topics'] = [];

export const offsetFetchHandler: ApiHandler<typeof offsetFetch> = {
  api: offsetFetch,
  minVersion: 1,
  maxVersion: 10,
  home: 'controller',
  *handle(request, context) {
    const { broker } = context;
    const { requireStable } = request;
    if (context.version >= BATCHED_VERSION) {
      const wanted = yield* withoutRepeated(request.groups);
      const groups: GroupResponse[] = [];
      for (let index = 0; index < wanted.length; index++) {
        const unknown = unknownGroup(wanted[index], context);
        groups.push(unknown ?? (yield* fetchGroup(wanted[index], requireStable, context)));
        if (index % GROUPS_PER_STEP === 0) yield;
      }
      const block = yield* blockOf(wanted, context);
      return whenDurable(broker, block, { throttleTimeMs: 0, groups });
    }
    const asked = {
      groupId: request.groupId,
      memberId: null,
      memberEpoch: -1,
      topics:
        request.topics === null
          ? null
          : yield* converted(request.topics, (topic) => ({ ...topic, topicId: ZERO_UUID })),
    };
    const { topics, errorCode } = yield* fetchGroup(asked, requireStable, context);
    return whenDurable(broker, yield* blockOf([asked], context), {
      throttleTimeMs: 0,
      topics,
      errorCode: errorCode ?? ERROR_CODES.NONE,
    });
  },
};

function* blockOf(groups: readonly { readonly groupId: string }[], context: RequestContext): Work<number> {
  let last = 0;
  for (let index = 0; index < groups.length; index++) {
    const block = context.broker.groups.find(context.client.vhost, groups[index].groupId)?.offsetsBlock ?? 0;
    if (block > last) last = block;
    if (index % GROUPS_PER_STEP === 0) yield;
  }
  return last;
}

/** For all offsets of a group that there is not: most of very many. Null if there is more to say. */
function unknownGroup({ groupId, topics }: GroupRequest, context: RequestContext): GroupResponse | null {
  if (topics !== null || context.broker.groups.find(context.client.vhost, groupId) !== undefined) return null;
  const mayAsk = context.isAllowed('describe', 'group', groupId);
  const errorCode = mayAsk ? ERROR_CODES.NONE : ERROR_CODES.GROUP_AUTHORIZATION_FAILED;
  return { groupId, topics: NO_TOPICS, errorCode };
}

function* fetchGroup(
  request: GroupRequest,
  requireStable: boolean,
  context: RequestContext,
): Work<GroupResponse> {
  const { groupId } = request;
  if (!context.isAllowed('describe', 'group', groupId)) {
    return yield* refuse(request, ERROR_CODES.GROUP_AUTHORIZATION_FAILED, context);
  }
  const group = context.broker.groups.find(context.client.vhost, groupId);
  try {
    if (group?.membership.type === 'consumer') {
      group.membership.checkFetch(request.memberId, request.memberEpoch);
    }
  } catch (error) {
    return yield* refuse(request, groupErrorCode(groupErrorOf(error).kind), context);
  }
  const topics =
    request.topics === null
      ? yield* allTopics(group, requireStable, context)
      : yield* mappedBy(request.topics, (topic) => askedTopic(topic, group, requireStable, context));
  return { groupId, topics, errorCode: ERROR_CODES.NONE };
}

function* refuse(
  { groupId, topics }: GroupRequest,
  errorCode: number,
  context: RequestContext,
): Work<GroupResponse> {
  // Version 1 has no error code of the group: each partition has it.
  const isOld = context.version < GROUP_ERROR_VERSION;
  return { groupId, topics: isOld ? yield* failAll(topics ?? [], errorCode) : [], errorCode };
}

/** All committed offsets of the group in topics that the client may describe. */
function* allTopics(
  group: Group | undefined,
  requireStable: boolean,
  context: RequestContext,
): Work<TopicResponse[]> {
  if (group === undefined) return [];
  const topics: TopicResponse[] = [];
  for (const streamId of group.offsets.streamIds()) {
    const stream = context.broker.streams.byId(streamId);
    if (stream === undefined || !context.isAllowed('describe', 'topic', stream.name)) continue;
    const partitions = yield* mapped(group.offsets.of(streamId), ([partition]) =>
      one(group, stream, partition, requireStable),
    );
    if (partitions.length > 0) topics.push({ name: stream.name, topicId: stream.id, partitions });
  }
  return topics;
}

function* askedTopic(
  topic: TopicRequest,
  group: Group | undefined,
  requireStable: boolean,
  context: RequestContext,
): Work<TopicResponse> {
  const { name, topicId, partitionIndexes } = topic;
  const stream = topicOf(topic, context, TOPIC_IDS_VERSION, 'describe');
  const partitions = yield* mapped(partitionIndexes, (index): PartitionResponse => {
    if (typeof stream !== 'string') return one(group, stream, index, requireStable);
    // An unknown topic has no committed offset (-1), which is no error.
    return nothing(index, stream === 'UNKNOWN_TOPIC_OR_PARTITION' ? 'NONE' : stream);
  });
  return { name, topicId, partitions };
}

function one(
  group: Group | undefined,
  { id }: GroupStream,
  partition: number,
  requireStable: boolean,
): PartitionResponse {
  if (group === undefined) return nothing(partition, 'NONE');
  if (requireStable && group.offsets.isPending(id, partition))
    return nothing(partition, 'UNSTABLE_OFFSET_COMMIT');
  const committed = group.offsets.get(id, partition);
  return committed === null ? nothing(partition, 'NONE') : found(partition, committed);
}

function found(
  partitionIndex: number,
  { offset, leaderEpoch, metadata }: CommittedOffset,
): PartitionResponse {
  return {
    partitionIndex,
    committedOffset: offset,
    committedLeaderEpoch: leaderEpoch,
    metadata,
    errorCode: ERROR_CODES.NONE,
  };
}

function nothing(partitionIndex: number, error: ErrorName): PartitionResponse {
  const errorCode = ERROR_CODES[error];
  return { partitionIndex, committedOffset: -1, committedLeaderEpoch: -1, metadata: '', errorCode };
}

function* failAll(topics: NonNullable<GroupRequest['topics']>, errorCode: number): Work<TopicResponse[]> {
  return yield* mappedBy(topics, function* ofTopic({ name, topicId, partitionIndexes }) {
    const partitions = yield* converted(partitionIndexes, (index) => ({
      ...nothing(index, 'NONE'),
      errorCode,
    }));
    return { name, topicId, partitions };
  });
}
