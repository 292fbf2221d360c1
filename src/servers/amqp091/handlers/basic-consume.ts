import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { Channel } from '../channel.ts';
import { AmqpError } from '../errors.ts';

/** No-local is accepted and ignored, as in RabbitMQ. */
export function basicConsume(channel: Channel, method: MethodOf<'basic.consume'>): void {
  const name = channel.queueName(method.queue);
  channel.connection.permissions.read('queue', name);
  const queue = channel.vhost.checkQueue(name, channel.connection);
  for (const key of ['x-priority', 'x-stream-offset']) {
    if (key in method.arguments) {
      throw new AmqpError(
        'PRECONDITION_FAILED',
        `consumer argument '${key}' is not supported by this version of Sluice`,
      );
    }
  }
  channel.consume(queue, method);
}
