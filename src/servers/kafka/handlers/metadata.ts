import { clientText } from '../../../base/client-text.ts';
import { mapped, type Work } from '../../../base/turn-time.ts';
import { CLUSTER_NAME } from '../../../broker/access/acl.ts';
import type { Stream } from '../../../broker/streams/stream.ts';
import { NOT_ASKED, type RequestOf, type ResponseInput, ZERO_UUID } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES, type ErrorName } from '../../../wire/kafka/error-codes.ts';
import { metadata } from '../../../wire/kafka/messages/metadata.ts';
import { durable } from '../durably.ts';
import { faultOf } from '../fault.ts';
import { authorizedOperations } from '../groups/authorized-operations.ts';
import { type ApiHandler, BY_CONTROLLER } from '../handler.ts';
import { NODE_ID } from '../node-id.ts';
import { createTopic, nameFault } from '../topics/creation.ts';
import { isInternalTopic } from '../topics/topic-name.ts';
import { describableTopics, partitionState, topicById, topicByName } from '../topics/topics.ts';
import type { RequestContext } from './request-context.ts';

type Request = RequestOf<typeof metadata>;
type TopicResult = ResponseInput<typeof metadata>['topics'][number];

/** From this version on topics can be asked for by id: responses can have a null name (KIP-516). */
const IDS_VERSION = 12;

/** The brokers, of which each shard is one, and the partitions of topics, which are led by those in whose shards they are. */
export const metadataHandler: ApiHandler<typeof metadata> = {
  api: metadata,
  minVersion: 0,
  maxVersion: 13,
  *handle(request, context) {
    const created: Stream[] = [];
    const response = yield* answerTo(request, created, context);
    if (response === null) return BY_CONTROLLER;
    // Waits for topics that this request has created alone, not for what others have journaled.
    return created.length === 0 ? response : durable(context.broker).then(() => response);
  },
};

/** Null: the request makes topics, which is for the controller. */
function* answerTo(
  request: Request,
  created: Stream[],
  context: RequestContext,
): Work<ResponseInput<typeof metadata> | null> {
  const topics = yield* topicsOf(request, created, context);
  if (topics === null) return null;
  return {
    brokers: context.brokers,
    clusterId: context.broker.cluster.id,
    controllerId: NODE_ID,
    topics,
    clusterAuthorizedOperations: authorizedOperations(
      request.includeClusterAuthorizedOperations,
      'cluster',
      CLUSTER_NAME,
      context,
    ),
  };
}

/** Topics that are created for the request are added to `created`; null if only the controller could. */
function* topicsOf(request: Request, created: Stream[], context: RequestContext): Work<TopicResult[] | null> {
  const { topics, includeTopicAuthorizedOperations: withOperations } = request;
  // Version 0 has no null: an empty list asks for all topics.
  if (topics === null || (context.version === 0 && topics.length === 0)) {
    return yield* mapped(yield* describableTopics(context), (stream) =>
      found(stream, withOperations, context),
    );
  }
  const results = new Map<string, TopicResult>();
  for (const { topicId, name } of topics) {
    const isById = context.version >= IDS_VERSION && (topicId !== ZERO_UUID || name === null);
    const result = isById
      ? byId(topicId, withOperations, context)
      : name === null
        ? missing('', ZERO_UUID, 'INVALID_REQUEST')
        : byName(name, request, created, context);
    if (result === null) return null;
    results.set(`${result.topicId ?? ''}/${result.name ?? ''}`, result);
    yield;
  }
  return [...results.values()];
}

function byId(id: string, withOperations: boolean, context: RequestContext): TopicResult {
  const stream = topicById(context, id);
  if (stream === undefined) return missing(null, id, 'UNKNOWN_TOPIC_ID');
  // A client that may not describe the topic does not learn its name from its id.
  if (!context.isAllowed('describe', 'topic', stream.name)) {
    return missing(null, id, 'TOPIC_AUTHORIZATION_FAILED');
  }
  return found(stream, withOperations, context);
}

function byName(
  name: string,
  request: Request,
  created: Stream[],
  context: RequestContext,
): TopicResult | null {
  if (!context.isAllowed('describe', 'topic', name))
    return missing(name, ZERO_UUID, 'TOPIC_AUTHORIZATION_FAILED');
  let stream: Stream | ErrorName | null | undefined = topicByName(context, name);
  if (stream === undefined) {
    stream = createdTopic(name, request.allowAutoTopicCreation, context);
    if (stream === null) return null;
    if (typeof stream === 'string') return missing(name, ZERO_UUID, stream);
    created.push(stream);
  }
  return found(stream, request.includeTopicAuthorizedOperations, context);
}

/** auto.create.topics.enable, and allow_auto_topic_creation of the request. The topic is in the response at once. Null: for the controller. */
function createdTopic(name: string, isWanted: boolean, context: RequestContext): Stream | ErrorName | null {
  const wrong = nameFault(name, context);
  if (wrong !== null) return wrong.error;
  const { settings } = context;
  if (!isWanted || !settings.createsTopics || isInternalTopic(name)) return 'UNKNOWN_TOPIC_OR_PARTITION';
  if (!context.isAllowed('create', 'cluster', CLUSTER_NAME) && !context.isAllowed('create', 'topic', name)) {
    return 'TOPIC_AUTHORIZATION_FAILED';
  }
  if (!context.isController) return null;
  try {
    return createTopic(name, { partitions: settings.partitions, shards: null, configs: new Map() }, context);
  } catch (error) {
    const { error: code, text } = faultOf(error);
    // Clients ask again.
    if (code === 'REQUEST_TIMED_OUT') return 'LEADER_NOT_AVAILABLE';
    settings.log.warn({ topic: clientText(name), reason: text }, 'a topic was not made');
    return 'INVALID_TOPIC_EXCEPTION';
  }
}

function found(stream: Stream, withOperations: boolean, context: RequestContext): TopicResult {
  return {
    errorCode: ERROR_CODES.NONE,
    name: stream.name,
    topicId: stream.id,
    isInternal: isInternalTopic(stream.name),
    partitions: stream.partitions.map(partitionState),
    topicAuthorizedOperations: authorizedOperations(withOperations, 'topic', stream.name, context),
  };
}

function missing(name: string | null, topicId: string, error: ErrorName): TopicResult {
  return {
    errorCode: ERROR_CODES[error],
    name,
    topicId,
    partitions: [],
    topicAuthorizedOperations: NOT_ASKED,
  };
}
