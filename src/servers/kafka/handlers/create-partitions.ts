import type { Work } from '../../../base/turn-time.ts';
import { tally } from '../../../base/work-collections.ts';
import type { Stream } from '../../../broker/streams/stream.ts';
import { partitionsMax, type WantedShards } from '../../../broker/streams/streams.ts';
import type { RequestOf } from '../../../wire/kafka/declaration.ts';
import { createPartitions } from '../../../wire/kafka/messages/topics.ts';
import { durable } from '../durably.ts';
import { codesOf, type Fault, fault, faultOf } from '../fault.ts';
import type { ApiHandler } from '../handler.ts';
import { shardOfNode } from '../node-id.ts';
import { PARTITIONS_AT_ONCE_MAX } from '../topics/creation.ts';
import { wrongReplicas } from '../topics/topic-plan.ts';
import { topicByName } from '../topics/topics.ts';
import type { RequestContext } from './request-context.ts';

type Wanted = RequestOf<typeof createPartitions>['topics'][number];

export const createPartitionsHandler: ApiHandler<typeof createPartitions> = {
  api: createPartitions,
  minVersion: 0,
  maxVersion: 3,
  home: 'controller',
  *handle({ topics, validateOnly }, context) {
    const counts = yield* tally(topics, ({ name }) => name);
    const results: {
      readonly name: string;
      readonly errorCode: number;
      readonly errorMessage: string | null;
    }[] = [];
    for (const wanted of topics) {
      yield;
      const { name } = wanted;
      const count = counts.get(name) ?? 0;
      // One result for all entries with the same name.
      if (count === 0) continue;
      counts.set(name, 0);
      const wrong =
        count > 1
          ? fault('INVALID_REQUEST', 'Duplicate topic name.')
          : yield* extend(wanted, validateOnly, context);
      results.push({ name, ...codesOf(wrong) });
    }
    yield durable(context.broker);
    return { throttleTimeMs: 0, results };
  },
};

function* extend(wanted: Wanted, isValidation: boolean, context: RequestContext): Work<Fault | null> {
  if (!context.isAllowed('alter', 'topic', wanted.name)) return fault('TOPIC_AUTHORIZATION_FAILED');
  const stream = topicByName(context, wanted.name);
  if (stream === undefined) return fault('UNKNOWN_TOPIC_OR_PARTITION');
  const wrong = whyNot(wanted, stream, context.brokerCount);
  if (wrong !== null || isValidation) return wrong;
  const { streams, events } = context.broker;
  const shards = shardsOf(wanted, context);
  try {
    const isLarge = wanted.count - stream.partitions.length > PARTITIONS_AT_ONCE_MAX;
    const prepared = isLarge ? yield* streams.preparePartitions(stream, wanted.count, shards) : null;
    events.as(context.client.actor, () => streams.addPartitions(stream, wanted.count, prepared, shards));
    return null;
  } catch (error) {
    return faultOf(error);
  }
}

/** Where the additional partitions are put. */
function shardsOf({ assignments }: Wanted, { brokerCount }: RequestContext): WantedShards {
  if (assignments === null) return 'spread';
  return assignments.map(({ brokerIds }) => shardOfNode(brokerIds[0], brokerCount) ?? 0);
}

function whyNot({ name, count, assignments }: Wanted, stream: Stream, brokers: number): Fault | null {
  const present = stream.partitions.length;
  if (count === present) {
    return fault('INVALID_PARTITIONS', `Topic already has ${present} partition(s).`);
  }
  if (count < present) {
    return fault(
      'INVALID_PARTITIONS',
      `The topic ${name} currently has ${present} partition(s); ${count} would not be an increase.`,
    );
  }
  if (count > partitionsMax) {
    return fault('INVALID_PARTITIONS', `The topic ${name} can have at most ${partitionsMax} partition(s).`);
  }
  if (assignments === null) return null;
  if (assignments.length !== count - present) {
    return fault(
      'INVALID_REPLICA_ASSIGNMENT',
      `Attempted to add ${count - present} additional partition(s), but only ${assignments.length} ` +
        'assignment(s) were specified.',
    );
  }
  for (const { brokerIds } of assignments) {
    const wrong = wrongReplicas(brokerIds, brokers);
    if (wrong !== null) return wrong;
  }
  return null;
}
