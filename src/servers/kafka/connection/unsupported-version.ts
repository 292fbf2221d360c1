import { API_VERSIONS_KEY, apiName } from '../../../wire/kafka/apis.ts';
import { ERROR_CODES } from '../../../wire/kafka/error-codes.ts';
import { KafkaWireError } from '../../../wire/kafka/errors.ts';
import type { RequestHeader } from '../../../wire/kafka/headers.ts';
import type { apiVersions } from '../../../wire/kafka/messages/api-versions.ts';
import type { AnyHandler } from '../handler.ts';
import { PendingResponse, type RespondingConnection } from './pending-response.ts';
import type { ResponseQueue } from './response-queue.ts';

/**
 * Ends the connection of a client that asks for an API, or a version of one, that is not served. But ApiVersions of an
 * unknown version is answered in version 0 with the versions that are served (KIP-511).
 */
export function refuseVersion(
  connection: RespondingConnection & { readonly responses: ResponseQueue },
  { apiKey, apiVersion, correlationId }: RequestHeader,
  handler: AnyHandler | undefined,
): void {
  if (apiKey !== API_VERSIONS_KEY || handler === undefined) {
    const problem = handler === undefined ? 'is not served' : `has no version ${apiVersion} here`;
    connection.fail(new KafkaWireError(`${apiName(apiKey)} ${problem}`), apiName(apiKey));
    return;
  }
  const pending = new PendingResponse(connection, {
    api: handler.api,
    version: 0,
    correlationId,
    bytes: 0,
    isLarge: false,
  });
  connection.responses.add(pending);
  const { minVersion, maxVersion } = handler;
  pending.fill<typeof apiVersions>({
    errorCode: ERROR_CODES.UNSUPPORTED_VERSION,
    apiKeys: [{ apiKey, minVersion, maxVersion }],
  });
}
