import { mapped, mappedBy, type Work } from '../../../base/turn-time.ts';
import { offsetRow } from '../../../broker/groups/committed-offsets.ts';
import { GroupError, type GroupErrorKind } from '../../../broker/groups/group-error.ts';
import { OffsetRowsBuilder } from '../../../broker/groups/offset-commit.ts';
import type { RequestOf, ResponseInput } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES, type ErrorName } from '../../../wire/kafka/error-codes.ts';
import { txnOffsetCommit } from '../../../wire/kafka/messages/transactions.ts';
import { durable } from '../durably.ts';
import { groupErrorCode } from '../groups/group-errors.ts';
import { topicOf } from '../groups/topics.ts';
import type { ApiHandler } from '../handler.ts';
import { codeOf } from '../transaction-errors.ts';
import type { RequestContext } from './request-context.ts';

type Request = RequestOf<typeof txnOffsetCommit>;
type Topic = Request['topics'][number];
type Response = ResponseInput<typeof txnOffsetCommit>;

/** No version answers PRODUCER_FENCED: a fenced producer gets INVALID_PRODUCER_EPOCH. */
const FENCED_FROM = Number.POSITIVE_INFINITY;
const ABORTABLE_FROM = 4;
/** From this version on the request adds the group to the transaction (KIP-890). */
const ADDS_FROM = 5;
const OFFSETS_OF_REQUEST_MAX = 2000;
/** Characters; Kafka's clients send none. */
const METADATA_OF_REQUEST_MAX = 512 * 1024;

/** KIP-98, KIP-447: offsets of a group that are committed with the transaction. */
export const txnOffsetCommitHandler: ApiHandler<typeof txnOffsetCommit> = {
  api: txnOffsetCommit,
  minVersion: 0,
  maxVersion: 5,
  home: 'controller',
  *handle(request, context) {
    if (!context.isAllowed('write', 'transactional-id', request.transactionalId)) {
      return yield* all(request, ERROR_CODES.TRANSACTIONAL_ID_AUTHORIZATION_FAILED);
    }
    if (!context.isAllowed('read', 'group', request.groupId)) {
      return yield* all(request, ERROR_CODES.GROUP_AUTHORIZATION_FAILED);
    }
    const builder = new OffsetRowsBuilder();
    const topics = yield* mappedBy(request.topics, (topic) => takeTopic(topic, context, builder));
    // They are committed with the end of the transaction, all of them at once.
    const isTooMuch =
      builder.count > OFFSETS_OF_REQUEST_MAX || builder.metadataLength > METADATA_OF_REQUEST_MAX;
    if (isTooMuch) return yield* all(request, ERROR_CODES.POLICY_VIOLATION);
    if (builder.count > 0) {
      const code = commit(request, context, builder);
      if (code !== ERROR_CODES.NONE) return yield* all(request, code);
      yield durable(context.broker);
    }
    return { throttleTimeMs: 0, topics };
  },
};

function commit(request: Request, context: RequestContext, { rows }: OffsetRowsBuilder): number {
  const { transactionalId, producerId, producerEpoch, groupId, memberId, groupInstanceId, generationId } =
    request;
  const { vhost, actor: user } = context.client;
  const { transactions, groups } = context.broker;
  const owner = { vhost, id: transactionalId, identity: { producerId, epoch: producerEpoch } };
  const mayAdd = context.version >= ADDS_FROM;
  const admit = () => transactions.admitGroup(owner, groupId, mayAdd);
  const code = codeOf(admit, context, FENCED_FROM, ABORTABLE_FROM);
  // As Kafka: not all clients know that error here.
  if (code === ERROR_CODES.CONCURRENT_TRANSACTIONS) return ERROR_CODES.COORDINATOR_NOT_AVAILABLE;
  if (code !== ERROR_CODES.NONE) return code;
  try {
    groups.addPending(producerId, {
      vhost,
      group: groupId,
      memberId,
      instanceId: groupInstanceId,
      generation: generationId,
      knowsEpochs: false,
      rows,
      user,
    });
  } catch (error) {
    if (!(error instanceof GroupError)) throw error;
    return groupErrorCode(knownKind(error.kind));
  }
  return ERROR_CODES.NONE;
}

/** Producers send a generation, not a member epoch: they know no error of epochs (KIP-848). */
function knownKind(kind: GroupErrorKind): GroupErrorKind {
  return kind === 'stale-epoch' || kind === 'fenced-epoch' ? 'illegal-generation' : kind;
}

/** Adds the offsets that can be committed to `builder`; the result has an error for each of the others. */
function* takeTopic(
  topic: Topic,
  context: RequestContext,
  builder: OffsetRowsBuilder,
): Work<Response['topics'][number]> {
  const stream = topicOf({ ...topic, topicId: '' }, context, Number.POSITIVE_INFINITY, 'read');
  const { offsetMetadataBytesMax } = context.broker.groups.settings;
  return {
    name: topic.name,
    partitions: yield* mapped(topic.partitions, (each) => {
      const { partitionIndex, committedOffset, committedLeaderEpoch } = each;
      const metadata = each.committedMetadata ?? '';
      let error: ErrorName = 'NONE';
      if (typeof stream === 'string') error = stream;
      else if (stream.partitions[partitionIndex] === undefined) error = 'UNKNOWN_TOPIC_OR_PARTITION';
      else if (Buffer.byteLength(metadata) > offsetMetadataBytesMax) error = 'OFFSET_METADATA_TOO_LARGE';
      else {
        builder.add(
          stream.id,
          offsetRow(partitionIndex, committedOffset, committedLeaderEpoch, metadata, null),
          metadata,
        );
      }
      return { partitionIndex, errorCode: ERROR_CODES[error] };
    }),
  };
}

function* all({ topics }: Request, errorCode: number): Work<Response> {
  return {
    throttleTimeMs: 0,
    topics: yield* mappedBy(topics, function* ofTopic({ name, partitions }) {
      const results = yield* mapped(partitions, ({ partitionIndex }) => ({ partitionIndex, errorCode }));
      return { name, partitions: results };
    }),
  };
}
