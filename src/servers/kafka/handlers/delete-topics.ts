import { converted, tally } from '../../../base/work-collections.ts';
import type { Stream } from '../../../broker/streams/stream.ts';
import { type ResponseInput, ZERO_UUID } from '../../../wire/kafka/declaration.ts';
import { deleteTopics } from '../../../wire/kafka/messages/topics.ts';
import { durable } from '../durably.ts';
import { codesOf, type Fault, fault, faultOf } from '../fault.ts';
import type { ApiHandler } from '../handler.ts';
import { topicById, topicByName } from '../topics/topics.ts';
import type { RequestContext } from './request-context.ts';

type Result = ResponseInput<typeof deleteTopics>['responses'][number];

interface Wanted {
  readonly name: string | null;
  readonly topicId: string;
}

/** By topic names, or from version 6 on by ids, too (KIP-516). */
export const deleteTopicsHandler: ApiHandler<typeof deleteTopics> = {
  api: deleteTopics,
  minVersion: 1,
  maxVersion: 6,
  home: 'controller',
  *handle({ topics, topicNames }, context) {
    const wanted: readonly Wanted[] =
      context.version >= 6 ? topics : yield* converted(topicNames, (name) => ({ name, topicId: ZERO_UUID }));
    const counts = yield* tally(wanted, keyOf);
    const responses: Result[] = [];
    for (const each of wanted) {
      yield;
      const key = keyOf(each);
      const count = counts.get(key) ?? 0;
      // One result for all entries with the same name or id.
      if (count === 0) continue;
      if (count > 1) counts.set(key, 0);
      responses.push(count > 1 ? refused(each, duplicate(each)) : remove(each, context));
    }
    yield durable(context.broker);
    return { throttleTimeMs: 0, responses };
  },
};

function keyOf({ name, topicId }: Wanted): string {
  return `${topicId}/${name ?? ''}`;
}

function duplicate({ name }: Wanted): Fault {
  return fault('INVALID_REQUEST', name === null ? 'Duplicate topic id.' : 'Duplicate topic name.');
}

function remove(wanted: Wanted, context: RequestContext): Result {
  const { name, topicId } = wanted;
  const hasId = topicId !== ZERO_UUID;
  if (hasId && name !== null) {
    return refused(wanted, fault('INVALID_REQUEST', 'You may not specify both topic name and topic id.'));
  }
  if (!hasId && name === null) {
    return refused(wanted, fault('INVALID_REQUEST', 'Neither topic name nor id were specified.'));
  }
  const stream = name === null ? topicById(context, topicId) : topicByName(context, name);
  const wrong = whyNot(stream, name, context);
  if (wrong !== null) return refused(wanted, wrong);
  return removeStream(stream as Stream, context);
}

/** Does not tell whether the topic exists if the client may not describe it. */
function whyNot(stream: Stream | undefined, name: string | null, context: RequestContext): Fault | null {
  if (stream === undefined) {
    if (name === null) return fault('UNKNOWN_TOPIC_ID');
    const mayKnow = context.isAllowed('describe', 'topic', name);
    return fault(mayKnow ? 'UNKNOWN_TOPIC_OR_PARTITION' : 'TOPIC_AUTHORIZATION_FAILED');
  }
  return context.isAllowed('delete', 'topic', stream.name) ? null : fault('TOPIC_AUTHORIZATION_FAILED');
}

function removeStream(stream: Stream, context: RequestContext): Result {
  const { name, id: topicId } = stream;
  const { broker } = context;
  try {
    broker.events.as(context.client.actor, () => broker.streams.delete(stream));
    return { name, topicId, ...codesOf(null) };
  } catch (error) {
    return { name, topicId, ...codesOf(faultOf(error)) };
  }
}

function refused({ name, topicId }: Wanted, reason: Fault): Result {
  return { name, topicId, ...codesOf(reason) };
}
