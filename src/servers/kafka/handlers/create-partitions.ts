import type { Stream } from '../../../broker/streams/stream.ts';
import { partitionsMax } from '../../../broker/streams/streams.ts';
import type { RequestOf } from '../../../wire/kafka/declaration.ts';
import { createPartitions } from '../../../wire/kafka/messages/topics.ts';
import { durable } from '../durably.ts';
import { codesOf, type Fault, fault, faultOf } from '../fault.ts';
import type { ApiHandler } from '../handler.ts';
import { wrongReplicas } from '../topics/topic-plan.ts';
import { topicByName } from '../topics/topics.ts';
import type { RequestContext } from './request-context.ts';

type Wanted = RequestOf<typeof createPartitions>['topics'][number];

export const createPartitionsHandler: ApiHandler<typeof createPartitions> = {
  api: createPartitions,
  minVersion: 0,
  maxVersion: 3,
  async handle({ topics, validateOnly }, context) {
    const names = topics.map(({ name }) => name);
    const results = topics
      .filter(({ name }, index) => names.indexOf(name) === index)
      .map((wanted) => {
        const isDouble = names.indexOf(wanted.name) !== names.lastIndexOf(wanted.name);
        const wrong = isDouble
          ? fault('INVALID_REQUEST', 'Duplicate topic name.')
          : extend(wanted, validateOnly, context);
        return { name: wanted.name, ...codesOf(wrong) };
      });
    await durable(context.broker);
    return { throttleTimeMs: 0, results };
  },
};

function extend(wanted: Wanted, isValidation: boolean, context: RequestContext): Fault | null {
  if (!context.isAllowed('alter', 'topic', wanted.name)) return fault('TOPIC_AUTHORIZATION_FAILED');
  const stream = topicByName(context, wanted.name);
  if (stream === undefined) return fault('UNKNOWN_TOPIC_OR_PARTITION');
  const wrong = whyNot(wanted, stream);
  if (wrong !== null || isValidation) return wrong;
  const { streams, events } = context.broker;
  try {
    events.as(context.client.actor, () => streams.addPartitions(stream, wanted.count));
    return null;
  } catch (error) {
    return faultOf(error);
  }
}

function whyNot({ name, count, assignments }: Wanted, stream: Stream): Fault | null {
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
    const wrong = wrongReplicas(brokerIds);
    if (wrong !== null) return wrong;
  }
  return null;
}
