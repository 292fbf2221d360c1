import { ERROR_CODES } from '../../../wire/kafka/error-codes.ts';
import { decodeRequest } from '../../../wire/kafka/headers.ts';
import { fetch } from '../../../wire/kafka/messages/fetch.ts';
import { DelayedFetch } from '../fetch/delayed-fetch.ts';
import type { RawHandler } from '../handler.ts';

/** Responses before version 4 carry message sets of formats v0 and v1, which Kafka 4 dropped (KIP-896). */
export const fetchHandler: RawHandler<typeof fetch> = {
  api: fetch,
  minVersion: 4,
  maxVersion: 18,
  isLarge: true,
  handleRaw(bytes, start, end, pending, context) {
    const request = decodeRequest(fetch, context.version, bytes, start, end);
    const plan = context.fetchSessions.plan(request, context.version, context.client);
    if (plan.error === null) new DelayedFetch(request, pending, context, plan).run();
    else pending.fill<typeof fetch>({ errorCode: ERROR_CODES[plan.error], responses: [] });
  },
};
