import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { Channel } from '../channel.ts';

export function queuePurge(channel: Channel, method: MethodOf<'queue.purge'>): void {
  const queue = channel.vhost.checkQueue(channel.queueName(method.queue), channel.connection);
  const messageCount = queue.purge();
  if (!method.noWait) channel.send({ name: 'queue.purge-ok', messageCount });
}
