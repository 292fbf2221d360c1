import type { Stream } from '../../../broker/streams/stream.ts';
import type { ErrorName } from '../../../wire/kafka/error-codes.ts';
import type { RequestContext } from '../handlers/request-context.ts';

interface TopicReference {
  readonly name: string;
  readonly topicId: string;
}

/** The topic that a request names, by id from version `idsFrom` on. Errors do not tell whether a forbidden one exists. */
export function topicOf(
  reference: TopicReference,
  context: RequestContext,
  idsFrom: number,
  operation: 'read' | 'describe',
): Stream | ErrorName {
  const { streams } = context.broker;
  const { vhost } = context.client;
  if (context.version >= idsFrom) {
    const stream = streams.byId(reference.topicId);
    if (stream === undefined || stream.vhost !== vhost) return 'UNKNOWN_TOPIC_ID';
    return context.isAllowed(operation, 'topic', stream.name) ? stream : 'TOPIC_AUTHORIZATION_FAILED';
  }
  if (!context.isAllowed(operation, 'topic', reference.name)) return 'TOPIC_AUTHORIZATION_FAILED';
  return streams.get(vhost, reference.name) ?? 'UNKNOWN_TOPIC_OR_PARTITION';
}
