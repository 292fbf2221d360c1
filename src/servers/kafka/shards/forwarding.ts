import { KafkaWireError } from '../../../wire/kafka/errors.ts';
import type { PendingResponse } from '../connection/pending-response.ts';
import type { RequestContext, ServerContext } from '../handlers/request-context.ts';
import { decodeAnswer, encodeForwarded } from './forwarded-request.ts';

/** A request of a client of this shard. */
export interface ForwardableContext extends RequestContext {
  readonly client: RequestContext['client'] & { readonly server: ServerContext };
}

/**
 * Has the controller answer a request, as Kafka's brokers do (KIP-590). The next request of the connection begins when it is answered, as
 * in Kafka: otherwise one that is answered here could overtake it. So a connection has one on its way at most.
 */
export function forward(body: Buffer, pending: PendingResponse, context: ForwardableContext): void {
  const { client, broker } = context;
  const { controller } = client.server;
  const { identity, memory } = client;
  if (controller === null || identity === null) throw new Error(`${pending.api.name} cannot be forwarded`);
  if (!memory.add(body.length)) throw new KafkaWireError(memory.shortage);
  const head = {
    apiKey: pending.api.key,
    version: pending.version,
    correlationId: pending.correlationId,
    clientId: context.clientId,
    user: identity.user.name,
    vhost: identity.vhost,
    mechanism: identity.mechanism,
    address: client.address,
    view: client.view,
  };
  const release = client.hold();
  const asked = controller.ask(encodeForwarded(head, body));
  const forget = client.onClose(() => asked.cancel());
  asked.answer
    .then(
      (bytes) => {
        broker.shard.turn.touch();
        const { throttleMs, frame } = decodeAnswer(bytes);
        pending.connection.throttle(throttleMs);
        pending.fillFrame(frame);
      },
      (error: Error) => pending.fail(new KafkaWireError(error.message)),
    )
    .finally(() => {
      forget();
      memory.add(-body.length);
      release();
    });
}
