import { finished, type Work } from '../../../base/turn-time.ts';
import type { RequestOf } from '../../../wire/kafka/declaration.ts';
import { ERROR_CODES } from '../../../wire/kafka/error-codes.ts';
import { decodeRequest, decodeRequestWork } from '../../../wire/kafka/headers.ts';
import { fetch } from '../../../wire/kafka/messages/fetch.ts';
import { BODY_BYTES_MAX, tooLarge } from '../connection/body-limit.ts';
import type { PendingResponse } from '../connection/pending-response.ts';
import { runWork } from '../connection/run-work.ts';
import { DelayedFetch } from '../fetch/delayed-fetch.ts';
import type { RawHandler } from '../handler.ts';
import type { RequestContext } from './request-context.ts';

/** A body of more bytes is decoded in steps. */
const LARGE_BODY_BYTES = 16 * 1024;

/** Responses before version 4 carry message sets of formats v0 and v1, which Kafka 4 dropped (KIP-896). */
export const fetchHandler: RawHandler<typeof fetch> = {
  api: fetch,
  minVersion: 4,
  maxVersion: 18,
  isLarge: true,
  handleRaw(bytes, start, end, pending, context) {
    if (end - start <= LARGE_BODY_BYTES) {
      const request = decodeRequest(fetch, context.version, bytes, start, end);
      finished(serve(request, pending, context));
      return;
    }
    if (end - start > BODY_BYTES_MAX) throw tooLarge(end - start);
    // The memory of the frame is used again meanwhile.
    const body = Buffer.from(bytes.subarray(start, end));
    runWork(serveLarge(body, pending, context), pending, context);
  },
};

function* serveLarge(body: Buffer, pending: PendingResponse, context: RequestContext): Work<void> {
  const request = yield* decodeRequestWork(fetch, context.version, body, 0, body.length);
  yield* serve(request, pending, context);
}

function* serve(
  request: RequestOf<typeof fetch>,
  pending: PendingResponse,
  context: RequestContext,
): Work<void> {
  const plan = yield* context.fetchSessions.plan(request, context.version, context.client);
  if (plan.error === null) new DelayedFetch(request, pending, context, plan).run();
  else pending.fill<typeof fetch>({ errorCode: ERROR_CODES[plan.error], responses: [] });
}
