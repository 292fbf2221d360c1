import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { HandlerContext } from '../channel-context.ts';
import { AmqpError } from '../errors.ts';

/**
 * RabbitMQ's meaning of `global`, not that of AMQP 1.8.3.1: the limit is for the whole channel, otherwise for each
 * consumer to come. Both hold together; messages of basic.get count for neither.
 */
export function basicQos(channel: HandlerContext, method: MethodOf<'basic.qos'>): void {
  const { prefetchSize, prefetchCount, global } = method;
  if (prefetchSize !== 0) throw new AmqpError('NOT_IMPLEMENTED', `prefetch_size!=0 (${prefetchSize})`);
  if (global) {
    channel.prefetchLimit = prefetchCount;
    channel.updateGate();
  } else {
    channel.prefetchPerConsumer = prefetchCount;
  }
  channel.send({ name: 'basic.qos-ok' });
}
