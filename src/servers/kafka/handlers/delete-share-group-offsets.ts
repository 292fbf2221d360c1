import { mapped } from '../../../base/turn-time.ts';
import { type ResponseInput, ZERO_UUID } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES, type ErrorName } from '../../../wire/kafka/error-codes.ts';
import { deleteShareGroupOffsets } from '../../../wire/kafka/messages/share-groups.ts';
import { durable } from '../durably.ts';
import { groupErrorCode, groupErrorOf } from '../groups/group-errors.ts';
import { missingGroup } from '../groups/missing-group.ts';
import type { ApiHandler } from '../handler.ts';
import type { RequestContext } from './request-context.ts';

type Response = ResponseInput<typeof deleteShareGroupOffsets>;
type Topic = Response['responses'][number];

/** Deletes the state of topics in an empty share group (KIP-932). */
export const deleteShareGroupOffsetsHandler: ApiHandler<typeof deleteShareGroupOffsets> = {
  api: deleteShareGroupOffsets,
  minVersion: 0,
  maxVersion: 0,
  home: 'controller',
  *handle({ groupId, topics }, context) {
    const { client, broker } = context;
    if (!context.isAllowed('delete', 'group', groupId)) return failed('GROUP_AUTHORIZATION_FAILED', null);
    const group = broker.shareGroups.find(client.vhost, groupId);
    if (group === undefined) return failed('GROUP_ID_NOT_FOUND', missingGroup('share', groupId, context));
    let responses: Topic[];
    try {
      const ids: string[] = [];
      responses = yield* mapped(topics, ({ topicName }) => check(topicName, ids, context));
      if (ids.length > 0) yield* broker.shareGroups.forget(group, ids);
    } catch (error) {
      const { kind, message } = groupErrorOf(error);
      return { throttleTimeMs: 0, errorCode: groupErrorCode(kind), errorMessage: message, responses: [] };
    }
    yield durable(broker);
    return { throttleTimeMs: 0, errorCode: ERROR_CODES.NONE, responses };
  },
};

/** `ids`: gets the id of the topic, if its state may be deleted. */
function check(topicName: string, ids: string[], context: RequestContext): Topic {
  const { client, broker } = context;
  if (!context.isAllowed('read', 'topic', topicName)) return refused(topicName, 'TOPIC_AUTHORIZATION_FAILED');
  const stream = broker.streams.get(client.vhost, topicName);
  if (stream === undefined) return refused(topicName, 'UNKNOWN_TOPIC_OR_PARTITION');
  ids.push(stream.id);
  return { topicName, topicId: stream.id, errorCode: ERROR_CODES.NONE };
}

function refused(topicName: string, error: ErrorName): Topic {
  return { topicName, topicId: ZERO_UUID, errorCode: ERROR_CODES[error], errorMessage: error };
}

function failed(error: ErrorName, errorMessage: string | null): Response {
  return { throttleTimeMs: 0, errorCode: ERROR_CODES[error], errorMessage, responses: [] };
}
