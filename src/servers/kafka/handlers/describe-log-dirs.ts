import { CLUSTER_NAME } from '../../../broker/access/acl.ts';
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
  readonly partitions: readonly number[] | null;
}

/** KIP-113. There is one log directory, the data directory. */
export const describeLogDirsHandler: ApiHandler<typeof describeLogDirs> = {
  api: describeLogDirs,
  minVersion: 1,
  maxVersion: 5,
  async handle({ topics }, context) {
    if (!context.isAllowed('describe', 'cluster', CLUSTER_NAME)) {
      return { throttleTimeMs: 0, errorCode: ERROR_CODES.CLUSTER_AUTHORIZATION_FAILED, results: [] };
    }
    const { fileSystem, directory } = context.broker.shard.storage;
    const usableBytes = await fileSystem.freeBytes(directory);
    const found = wanted(topics, context).map(({ stream, partitions }) => ({
      name: stream.name,
      partitions: stream.partitions
        .filter(({ index }) => partitions === null || partitions.includes(index))
        .map(({ index, log }) => ({
          partitionIndex: index,
          partitionSize: log.segments.bytes + log.tailBytes,
          offsetLag: 0,
          isFutureKey: false,
        })),
    }));
    return {
      throttleTimeMs: 0,
      errorCode: ERROR_CODES.NONE,
      results: [{ errorCode: ERROR_CODES.NONE, logDir: directory, topics: found, usableBytes }],
    };
  },
};

function wanted(topics: RequestOf<typeof describeLogDirs>['topics'], context: RequestContext): Wanted[] {
  if (topics === null) return describableTopics(context).map((stream) => ({ stream, partitions: null }));
  return topics.flatMap(({ topic, partitions }) => {
    const stream = topicByName(context, topic);
    return stream === undefined ? [] : [{ stream, partitions }];
  });
}
