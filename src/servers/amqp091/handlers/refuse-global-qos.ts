import { resourceText } from '../../../broker/topology/refusals.ts';
import type { HandlerContext } from '../channel-context.ts';
import { AmqpError } from '../errors.ts';

/** As in RabbitMQ, a limit for the whole channel is known to classic queues only. */
export function refuseGlobalQos({ prefetchLimit, vhost }: HandlerContext, queue: string): void {
  if (prefetchLimit === 0) return;
  throw new AmqpError(
    'NOT_IMPLEMENTED',
    `${resourceText('queue', queue, vhost.name)} does not support global qos`,
  );
}
