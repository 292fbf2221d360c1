import { offsetRow } from '../../../broker/groups/committed-offsets.ts';
import { OffsetRowsBuilder } from '../../../broker/groups/offset-commit.ts';
import type { RequestOf, ResponseInput } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES, type ErrorCode } from '../../../wire/kafka/error-codes.ts';
import { offsetCommit } from '../../../wire/kafka/messages/group-offsets.ts';
import { whenDurable } from '../durably.ts';
import { groupErrorCode, groupErrorOf } from '../groups/group-errors.ts';
import { topicOf } from '../groups/topics.ts';
import type { ApiHandler } from '../handler.ts';
import type { RequestContext } from './request-context.ts';

type Request = RequestOf<typeof offsetCommit>;
type Topic = Request['topics'][number];
type Response = ResponseInput<typeof offsetCommit>;

const EPOCHS_VERSION = 9;
const TOPIC_IDS_VERSION = 10;

export const offsetCommitHandler: ApiHandler<typeof offsetCommit> = {
  api: offsetCommit,
  minVersion: 2,
  maxVersion: 10,
  handle(request, context) {
    if (!context.isAllowed('read', 'group', request.groupId)) {
      return answer(request, ERROR_CODES.GROUP_AUTHORIZATION_FAILED);
    }
    const { broker } = context;
    const builder = new OffsetRowsBuilder();
    const topics = request.topics.map((topic) => takeTopic(topic, request.retentionTimeMs, context, builder));
    let block = 0;
    try {
      block = broker.groups.commit({
        vhost: context.client.vhost,
        group: request.groupId,
        memberId: request.memberId,
        instanceId: request.groupInstanceId,
        generation: request.generationIdOrMemberEpoch,
        knowsEpochs: context.version >= EPOCHS_VERSION,
        rows: builder.rows,
      });
    } catch (error) {
      const code = groupErrorCode(groupErrorOf(error).kind);
      return answer(request, code);
    }
    return whenDurable(broker, block, { throttleTimeMs: 0, topics });
  },
};

/** Adds the offsets that can be committed to `builder`; the result has an error for each of the others. */
function takeTopic(
  topic: Topic,
  retentionMs: number,
  context: RequestContext,
  builder: OffsetRowsBuilder,
): Response['topics'][number] {
  const { name, topicId, partitions } = topic;
  const { broker } = context;
  const stream = topicOf(topic, context, TOPIC_IDS_VERSION, 'read');
  const expiresMs = retentionMs < 0 ? null : Math.floor(broker.shard.clock.now()) + retentionMs;
  const { offsetMetadataBytesMax } = broker.groups.settings;
  return {
    name,
    topicId,
    partitions: partitions.map(
      ({ partitionIndex, committedOffset, committedLeaderEpoch, committedMetadata }) => {
        const metadata = committedMetadata ?? '';
        let errorCode: ErrorCode = ERROR_CODES.NONE;
        if (typeof stream === 'string') {
          errorCode = ERROR_CODES[stream];
        } else if (partitionIndex < 0 || partitionIndex >= stream.partitions.length) {
          errorCode = ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION;
        } else if (metadata.length > 0 && Buffer.byteLength(metadata) > offsetMetadataBytesMax) {
          errorCode = ERROR_CODES.OFFSET_METADATA_TOO_LARGE;
        } else {
          builder.add(
            stream.id,
            offsetRow(partitionIndex, committedOffset, committedLeaderEpoch, metadata, expiresMs),
          );
        }
        return { partitionIndex, errorCode };
      },
    ),
  };
}

function answer({ topics }: Request, errorCode: ErrorCode): Response {
  return {
    throttleTimeMs: 0,
    topics: topics.map(({ name, topicId, partitions }) => ({
      name,
      topicId,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
    })),
  };
}
