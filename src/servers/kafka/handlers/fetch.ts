import { ERROR_CODES } from '../../../wire/kafka/error-codes.ts';
import { decodeRequest } from '../../../wire/kafka/headers.ts';
import { fetch } from '../../../wire/kafka/messages/fetch.ts';
import { Fetching } from '../fetch/delayed-fetch.ts';
import type { RawHandler } from '../handler.ts';

/** Before version 4 answers are message sets of formats v0 and v1 (KIP-896). */
export const fetchHandler: RawHandler<typeof fetch> = {
  api: fetch,
  minVersion: 4,
  maxVersion: 18,
  isLarge: true,
  handleRaw(bytes, start, end, slot, call) {
    const request = decodeRequest(fetch, call.version, bytes, start, end);
    const plan = call.server.fetchSessions.plan(request, call);
    if (plan.error === null) new Fetching(request, slot, call, plan).run();
    else slot.fill<typeof fetch>({ errorCode: ERROR_CODES[plan.error], responses: [] });
  },
};
