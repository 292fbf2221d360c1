import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { Channel } from '../channel.ts';

/** No-local is accepted and ignored, as in RabbitMQ. */
export function basicConsume(channel: Channel, method: MethodOf<'basic.consume'>): void {
  const queue = channel.vhost.checkQueue(channel.queueName(method.queue), channel.connection);
  channel.consume(queue, method);
}
