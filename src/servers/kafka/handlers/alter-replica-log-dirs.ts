import { mapped, mappedBy } from '../../../base/turn-time.ts';
import { CLUSTER_NAME } from '../../../broker/access/acl.ts';
import { ERROR_CODES, type ErrorName } from '../../../wire/kafka/error-codes.ts';
import { alterReplicaLogDirs } from '../../../wire/kafka/messages/replicas.ts';
import type { ApiHandler } from '../handler.ts';
import { topicByName } from '../topics/topics.ts';
import type { RequestContext } from './request-context.ts';

/** KIP-113. There is one log directory: a move to it is done already, any other is refused. */
export const alterReplicaLogDirsHandler: ApiHandler<typeof alterReplicaLogDirs> = {
  api: alterReplicaLogDirs,
  minVersion: 1,
  maxVersion: 2,
  *handle({ dirs }, context) {
    const isAllowed = context.isAllowed('alter', 'cluster', CLUSTER_NAME);
    const results = yield* mappedBy(dirs, ({ path, topics }) =>
      mappedBy(topics, function* ofTopic({ name, partitions }) {
        const moved = yield* mapped(partitions, (partitionIndex) => ({
          partitionIndex,
          errorCode:
            ERROR_CODES[
              isAllowed ? move(context, path, name, partitionIndex) : 'CLUSTER_AUTHORIZATION_FAILED'
            ],
        }));
        return { topicName: name, partitions: moved };
      }),
    );
    return { throttleTimeMs: 0, results: results.flat() };
  },
};

function move(context: RequestContext, path: string, topic: string, index: number): ErrorName {
  if (path !== context.broker.shard.storage.directory) return 'LOG_DIR_NOT_FOUND';
  return topicByName(context, topic)?.partitions[index] === undefined ? 'UNKNOWN_TOPIC_OR_PARTITION' : 'NONE';
}
