import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { Channel } from '../channel.ts';

export function basicGet(channel: Channel, method: MethodOf<'basic.get'>): void {
  const queue = channel.vhost.checkQueue(channel.queueName(method.queue), channel.connection);
  channel.get(queue, method.noAck);
}
