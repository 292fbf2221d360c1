import type { ServiceRequest } from '../../../broker/shards/services/service-request.ts';
import { PendingResponse } from '../connection/pending-response.ts';
import { ConnectionRequestContext, handleRequest } from '../connection/request-context.ts';
import type { AnyHandler } from '../handler.ts';
import type { ServerContext } from '../handlers/request-context.ts';
import { ForwardedClient } from './forwarded-client.ts';
import { decodeForwarded } from './forwarded-request.ts';

/** Answers a request that another shard has forwarded, in shard 0. */
export function answerForwarded(
  server: ServerContext,
  handlerOf: (apiKey: number) => AnyHandler | undefined,
  request: ServiceRequest,
): void {
  const { broker } = server;
  const { head, body } = decodeForwarded(request.bytes);
  const { apiKey, version, correlationId, clientId } = head;
  const handler = handlerOf(apiKey);
  const user = broker.access.userNamed(head.user);
  if (request.isCancelled || handler === undefined) {
    request.fail(`there is no API ${apiKey}`);
    return;
  }
  // The shard of the client knows it in a moment, and closes its connection.
  if (user === undefined || broker.vhosts.get(head.vhost) === undefined) {
    request.fail('the user, or the virtual host, was deleted');
    return;
  }
  const client = new ForwardedClient(server, request, head, user);
  const pending = new PendingResponse(client, {
    api: handler.api,
    version,
    correlationId,
    bytes: body.length,
    isLarge: false,
  });
  const isMeasured = broker.access.quotas.isOn;
  if (isMeasured) client.requestQuota.begin(client.quota);
  const context = new ConnectionRequestContext(client, { apiVersion: version, clientId });
  handleRequest(handler, { bytes: body, start: 0, end: body.length, isKept: true }, pending, context);
  if (isMeasured) client.requestQuota.end();
}
