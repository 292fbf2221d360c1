import { mapped, mappedBy } from '../../../base/turn-time.ts';
import { has, NO_PARTITIONS, PartitionSetBuilder } from '../../../broker/groups/partition-sets.ts';
import { ERROR_CODES } from '../../../wire/kafka/error-codes.ts';
import { offsetDelete } from '../../../wire/kafka/messages/group-offsets.ts';
import { whenDurable } from '../durably.ts';
import { groupErrorCode, groupErrorOf } from '../groups/group-errors.ts';
import { topicOf } from '../groups/topics.ts';
import type { ApiHandler } from '../handler.ts';

export const offsetDeleteHandler: ApiHandler<typeof offsetDelete> = {
  api: offsetDelete,
  minVersion: 0,
  maxVersion: 0,
  home: 'controller',
  *handle({ groupId, topics }, context) {
    const fail = (errorCode: number) => ({ errorCode, throttleTimeMs: 0, topics: [] });
    if (!context.isAllowed('delete', 'group', groupId)) return fail(ERROR_CODES.GROUP_AUTHORIZATION_FAILED);
    const { broker } = context;
    const { vhost } = context.client;
    const known = yield* mapped(topics, (topic) => ({
      ...topic,
      stream: topicOf({ ...topic, topicId: '' }, context, Number.POSITIVE_INFINITY, 'read'),
    }));
    const wanted = new PartitionSetBuilder();
    for (const { stream, partitions } of known) {
      if (typeof stream === 'string') continue;
      for (const { partitionIndex } of partitions) {
        wanted.add(stream.id, partitionIndex);
        yield;
      }
    }
    let refused = NO_PARTITIONS;
    try {
      refused = broker.groups.forgetOffsets(vhost, groupId, wanted.set);
    } catch (error) {
      return fail(groupErrorCode(groupErrorOf(error).kind));
    }
    return whenDurable(broker, broker.groups.find(vhost, groupId)?.offsetsBlock ?? 0, {
      errorCode: ERROR_CODES.NONE,
      throttleTimeMs: 0,
      topics: yield* mappedBy(known, function* ofTopic({ name, partitions, stream }) {
        const results = yield* mapped(partitions, ({ partitionIndex }) => {
          if (typeof stream === 'string') return { partitionIndex, errorCode: ERROR_CODES[stream] };
          const isRefused = has(refused, stream.id, partitionIndex);
          return { partitionIndex, errorCode: groupErrorCode(isRefused ? 'group-is-subscribed' : null) };
        });
        return { name, partitions: results };
      }),
    });
  },
};
