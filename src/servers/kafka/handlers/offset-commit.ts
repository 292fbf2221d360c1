import { mapped, mappedBy, type Work } from '../../../base/turn-time.ts';
import { offsetRow } from '../../../broker/groups/committed-offsets.ts';
import { OFFSET_METADATA_MAX, OffsetRowsBuilder } from '../../../broker/groups/offset-commit.ts';
import type { OffsetRow } from '../../../broker/groups/operations.ts';
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
/** Characters of metadata that one request has in the journal before they are on the disk: other commits wait behind them. */
const UNDURABLE_MAX = 4 * OFFSET_METADATA_MAX;

export const offsetCommitHandler: ApiHandler<typeof offsetCommit> = {
  api: offsetCommit,
  minVersion: 2,
  maxVersion: 10,
  home: 'controller',
  *handle(request, context) {
    if (!context.isAllowed('read', 'group', request.groupId)) {
      return yield* answer(request, ERROR_CODES.GROUP_AUTHORIZATION_FAILED);
    }
    const commits = new Commits(request, context);
    try {
      const topics = yield* mappedBy(request.topics, (topic) => takeTopic(topic, commits, context));
      commits.commit();
      return whenDurable(context.broker, commits.block, { throttleTimeMs: 0, topics });
    } catch (error) {
      return yield* answer(request, groupErrorCode(groupErrorOf(error).kind));
    }
  },
};

/** What a request commits: in one operation of the journal, unless it is very much. */
class Commits {
  block = 0;
  readonly #request: Request;
  readonly #context: RequestContext;
  #isDone = false;
  #rows = new OffsetRowsBuilder();
  #undurableLength = 0;

  constructor(request: Request, context: RequestContext) {
    this.#request = request;
    this.#context = context;
  }

  /** @throws GroupError */
  add(streamId: string, row: OffsetRow, metadata: string): void {
    this.#rows.add(streamId, row, metadata);
    if (this.#rows.isFull) this.commit();
  }

  /** A request without offsets is checked, too. @throws GroupError */
  commit(): void {
    if (this.#isDone && this.#rows.count === 0) return;
    this.#isDone = true;
    const { rows, metadataLength } = this.#rows;
    this.#undurableLength += metadataLength;
    this.#rows = new OffsetRowsBuilder();
    const { broker, client, version } = this.#context;
    this.block = broker.groups.commit({
      vhost: client.vhost,
      group: this.#request.groupId,
      memberId: this.#request.memberId,
      instanceId: this.#request.groupInstanceId,
      generation: this.#request.generationIdOrMemberEpoch,
      knowsEpochs: version >= EPOCHS_VERSION,
      rows,
      user: client.actor,
    });
  }

  /** Resolves when what is in the journal is on the disk, if it is so much that the rest should wait for that. */
  durability(): Promise<void> | undefined {
    if (this.#undurableLength < UNDURABLE_MAX) return undefined;
    this.#undurableLength = 0;
    return this.#context.broker.shard.durable(this.block);
  }

  /** Of offsets that the request itself lets expire; null if it does not. */
  get expiresMs(): number | null {
    const { retentionTimeMs } = this.#request;
    if (retentionTimeMs < 0) return null;
    return Math.floor(this.#context.broker.shard.clock.now()) + retentionTimeMs;
  }
}

/** Commits the offsets that can be committed; the result has an error for each of the others. */
function* takeTopic(
  topic: Topic,
  commits: Commits,
  context: RequestContext,
): Work<Response['topics'][number]> {
  const { name, topicId, partitions } = topic;
  const stream = topicOf(topic, context, TOPIC_IDS_VERSION, 'read');
  const { expiresMs } = commits;
  const { offsetMetadataBytesMax } = context.broker.groups.settings;
  const results: Response['topics'][number]['partitions'][number][] = [];
  for (const { partitionIndex, committedOffset, committedLeaderEpoch, committedMetadata } of partitions) {
    const metadata = committedMetadata ?? '';
    let errorCode: ErrorCode = ERROR_CODES.NONE;
    if (typeof stream === 'string') {
      errorCode = ERROR_CODES[stream];
    } else if (partitionIndex < 0 || partitionIndex >= stream.partitions.length) {
      errorCode = ERROR_CODES.UNKNOWN_TOPIC_OR_PARTITION;
    } else if (metadata.length > 0 && Buffer.byteLength(metadata) > offsetMetadataBytesMax) {
      errorCode = ERROR_CODES.OFFSET_METADATA_TOO_LARGE;
    } else {
      commits.add(
        stream.id,
        offsetRow(partitionIndex, committedOffset, committedLeaderEpoch, metadata, expiresMs),
        metadata,
      );
    }
    results.push({ partitionIndex, errorCode });
    yield commits.durability();
  }
  return { name, topicId, partitions: results };
}

function* answer({ topics }: Request, errorCode: ErrorCode): Work<Response> {
  const failed = yield* mappedBy(topics, function* ofTopic({ name, topicId, partitions }) {
    const results = yield* mapped(partitions, ({ partitionIndex }) => ({ partitionIndex, errorCode }));
    return { name, topicId, partitions: results };
  });
  return { throttleTimeMs: 0, topics: failed };
}
