import { resourceText } from '../../../broker/topology/refusals.ts';
import type { HandlerContext } from '../channel-context.ts';
import { AmqpError } from '../errors.ts';

/** For methods that RabbitMQ does not support on streams. The text is RabbitMQ's. */
export function refuseStream({ vhost }: HandlerContext, name: string, method: string): void {
  if (vhost.findStream(name) === undefined) return;
  const resource = resourceText('queue', name, vhost.name);
  throw new AmqpError('NOT_IMPLEMENTED', `${method} not supported by stream queues ${resource}`);
}
