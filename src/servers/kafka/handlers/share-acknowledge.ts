import type { Work } from '../../../base/turn-time.ts';
import type { ShareGroup } from '../../../broker/groups/share/share-group.ts';
import { FETCH_SESSION_EPOCH } from '../../../wire/kafka/constants.ts';
import type { ResponseInput } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES, type ErrorName } from '../../../wire/kafka/error-codes.ts';
import { shareAcknowledge } from '../../../wire/kafka/messages/share-fetch.ts';
import type { ApiHandler } from '../handler.ts';
import { type Acknowledged, type AckResult, acknowledge } from '../share/acknowledgements.ts';
import { sessionFor } from '../share/share-request.ts';

type Response = ResponseInput<typeof shareAcknowledge>;
type Topic = Response['responses'][number];

/** Accepts, releases, rejects or renews records that the member has acquired (KIP-932). */
export const shareAcknowledgeHandler: ApiHandler<typeof shareAcknowledge> = {
  api: shareAcknowledge,
  minVersion: 1,
  maxVersion: 2,
  *handle(request, context) {
    const { shareSessionEpoch: epoch, topics, isRenewAck } = request;
    // A share session begins with ShareFetch: before that the member has acquired nothing.
    if (epoch === FETCH_SESSION_EPOCH.INITIAL) return failed('INVALID_SHARE_SESSION_EPOCH');
    const session = sessionFor(request, context);
    if (typeof session === 'string') return failed(session);
    const { group, memberId } = session;
    const acknowledged = yield* acknowledge(topics, group, memberId, isRenewAck, context);
    if (epoch === FETCH_SESSION_EPOCH.FINAL) context.shareSessions.end(session);
    const responses = yield* byTopic(acknowledged.results);
    return answer(acknowledged, responses, group);
  },
};

async function answer(
  { settled }: Acknowledged,
  responses: readonly Topic[],
  group: ShareGroup,
): Promise<Response> {
  await settled;
  return {
    throttleTimeMs: 0,
    errorCode: ERROR_CODES.NONE,
    acquisitionLockTimeoutMs: group.settings.lockMs,
    responses,
    nodeEndpoints: [],
  };
}

function* byTopic(results: readonly AckResult[]): Work<Topic[]> {
  const topics = new Map<string, Topic['partitions'][number][]>();
  for (const { topicId, partitionIndex, error, message } of results) {
    const partitions = topics.get(topicId) ?? [];
    topics.set(topicId, partitions);
    partitions.push({
      partitionIndex,
      errorCode: ERROR_CODES[error],
      errorMessage: message,
      currentLeader: { leaderId: -1, leaderEpoch: -1 },
    });
    yield;
  }
  return Array.from(topics, ([topicId, partitions]) => ({ topicId, partitions }));
}

function failed(error: ErrorName): Response {
  return { throttleTimeMs: 0, errorCode: ERROR_CODES[error], responses: [], nodeEndpoints: [] };
}
