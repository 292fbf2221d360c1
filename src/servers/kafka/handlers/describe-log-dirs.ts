import { awaited, mapped, mappedBy, type Work } from '../../../base/turn-time.ts';
import { distinct } from '../../../base/work-collections.ts';
import { CLUSTER_NAME } from '../../../broker/access/acl.ts';
import { ownPartitions } from '../../../broker/streams/any-partition.ts';
import type { Stream } from '../../../broker/streams/stream.ts';
import type { RequestOf } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES } from '../../../wire/kafka/error-codes.ts';
import { describeLogDirs } from '../../../wire/kafka/messages/replicas.ts';
import type { ApiHandler } from '../handler.ts';
import { describableTopics, topicByName } from '../topics/topics.ts';
import type { RequestContext } from './request-context.ts';

interface Wanted {
  readonly stream: Stream;
  /** Null: all topics. */
  readonly partitions: Set<number> | null;
}

/** KIP-113. There is one log directory, the data directory. */
export const describeLogDirsHandler: ApiHandler<typeof describeLogDirs> = {
  api: describeLogDirs,
  minVersion: 1,
  maxVersion: 5,
  *handle({ topics }, context) {
    if (!context.isAllowed('describe', 'cluster', CLUSTER_NAME)) {
      return { throttleTimeMs: 0, errorCode: ERROR_CODES.CLUSTER_AUTHORIZATION_FAILED, results: [] };
    }
    const { fileSystem, directory } = context.broker.shard.storage;
    const usableBytes = yield* awaited(fileSystem.freeBytes(directory));
    const found = yield* mappedBy(yield* wanted(topics, context), function* ofTopic({ stream, partitions }) {
      const isWanted = (index: number): boolean => partitions === null || partitions.has(index);
      const described = yield* mapped(
        ownPartitions(stream.partitions).filter(({ index }) => isWanted(index)),
        ({ index, log }) => ({
          partitionIndex: index,
          partitionSize: log.segments.bytes + log.tailBytes,
          offsetLag: 0,
          isFutureKey: false,
        }),
      );
      return { name: stream.name, partitions: described };
    });
    return {
      throttleTimeMs: 0,
      errorCode: ERROR_CODES.NONE,
      results: [{ errorCode: ERROR_CODES.NONE, logDir: directory, topics: found, usableBytes }],
    };
  },
};

/** A topic that is named again is described once. */
function* wanted(
  topics: RequestOf<typeof describeLogDirs>['topics'],
  context: RequestContext,
): Work<Iterable<Wanted>> {
  if (topics === null) {
    return (yield* describableTopics(context)).map((stream) => ({ stream, partitions: null }));
  }
  const found = new Map<Stream, Wanted>();
  for (const { topic, partitions } of topics) {
    yield;
    const stream = topicByName(context, topic);
    if (stream === undefined) continue;
    let indexes = found.get(stream)?.partitions;
    if (indexes === undefined) found.set(stream, { stream, partitions: (indexes = new Set()) });
    if (indexes !== null) yield* distinct(partitions, indexes);
  }
  return found.values();
}
