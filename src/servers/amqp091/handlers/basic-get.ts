import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { Channel } from '../channel.ts';
import { refuseStream } from './refuse-stream.ts';

export function basicGet(channel: Channel, method: MethodOf<'basic.get'>): void {
  const name = channel.queueName(method.queue);
  channel.connection.permissions.read('queue', name);
  refuseStream(channel, name, 'basic.get');
  const queue = channel.vhost.checkQueue(name, channel.connection);
  channel.get(queue, method.noAck);
}
