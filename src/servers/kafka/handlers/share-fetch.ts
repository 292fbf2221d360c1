import { awaited } from '../../../base/turn-time.ts';
import { FETCH_SESSION_EPOCH } from '../../../wire/kafka/constants.ts';
import type { RequestOf, ResponseInput } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES, type ErrorName } from '../../../wire/kafka/error-codes.ts';
import { shareFetch } from '../../../wire/kafka/messages/share-fetch.ts';
import type { ApiHandler } from '../handler.ts';
import { type Acknowledged, acknowledge, hasAcknowledgements } from '../share/acknowledgements.ts';
import { DelayedShareFetch } from '../share/delayed-share-fetch.ts';
import { releaseOf, sessionFor } from '../share/share-request.ts';
import type { ShareSession } from '../share/share-sessions.ts';
import type { RequestContext } from './request-context.ts';

type Request = RequestOf<typeof shareFetch>;
type Response = ResponseInput<typeof shareFetch>;

/** Acquires records for a member of a share group, and applies its acknowledgements (KIP-932). */
export const shareFetchHandler: ApiHandler<typeof shareFetch> = {
  api: shareFetch,
  minVersion: 1,
  maxVersion: 2,
  isLarge: true,
  *handle(request, context) {
    const { shareSessionEpoch: epoch, topics, isRenewAck } = request;
    if (epoch === FETCH_SESSION_EPOCH.INITIAL) yield* awaited(releaseOf(request, context));
    const session = sessionFor(request, context);
    if (typeof session === 'string') return failed(session);
    const { group, memberId } = session;
    if (epoch === FETCH_SESSION_EPOCH.INITIAL && (yield* hasAcknowledgements(topics))) {
      return failed('INVALID_REQUEST');
    }
    const acknowledged = yield* acknowledge(topics, group, memberId, isRenewAck, context);
    let isRefused = false;
    if (epoch !== FETCH_SESSION_EPOCH.FINAL) {
      isRefused = !(yield* session.add(topics));
      if (!isRefused) yield* session.remove(request.forgottenTopicsData);
    }
    // What takes long is done. While it waits for records, other requests of the connection are handled.
    return fetchRecords(request, session, acknowledged, isRefused, context);
  },
};

async function fetchRecords(
  request: Request,
  session: ShareSession,
  { results, settled }: Acknowledged,
  isRefused: boolean,
  context: RequestContext,
): Promise<Response> {
  await settled;
  const fetching = new DelayedShareFetch(request, session, context);
  if (request.shareSessionEpoch === FETCH_SESSION_EPOCH.FINAL) {
    context.shareSessions.end(session);
  } else {
    if (isRefused) {
      context.shareSessions.end(session);
      return failed('SHARE_SESSION_LIMIT_REACHED');
    }
    // Acknowledgements are answered at once: the fetch does not wait for records then.
    await fetching.run(results.length === 0);
  }
  fetching.end();
  const responses = fetching.topics(results);
  return {
    throttleTimeMs: fetching.bytes > 0 ? context.client.quota.recordFetched(fetching.bytes) : 0,
    errorCode: ERROR_CODES.NONE,
    acquisitionLockTimeoutMs: session.group.settings.lockMs,
    responses,
    nodeEndpoints: [],
  };
}

function failed(error: ErrorName): Response {
  return {
    throttleTimeMs: 0,
    errorCode: ERROR_CODES[error],
    acquisitionLockTimeoutMs: 0,
    responses: [],
    nodeEndpoints: [],
  };
}
