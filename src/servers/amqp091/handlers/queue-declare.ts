import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { Channel } from '../channel.ts';

export function queueDeclare(channel: Channel, method: MethodOf<'queue.declare'>): void {
  const { vhost, connection } = channel;
  const { durable, exclusive, autoDelete, arguments: args } = method;
  const queue = method.passive
    ? vhost.checkQueue(channel.queueName(method.queue), connection)
    : vhost.declareQueue({ name: method.queue, durable, exclusive, autoDelete, arguments: args }, connection);
  channel.lastQueue = queue.name;
  channel.sendWhenDurable(
    method.noWait
      ? null
      : {
          name: 'queue.declare-ok',
          queue: queue.name,
          messageCount: queue.readyCount,
          consumerCount: queue.consumerCount,
        },
  );
}
