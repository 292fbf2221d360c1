import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { HandlerContext } from '../channel-context.ts';
import { GetDelivery } from '../deliver/delivery.ts';
import { refuseStream } from './refuse-stream.ts';

/** Waits while the output is congested: answers can be large, and nothing else limits how many a client asks for. */
export function basicGet(channel: HandlerContext, { queue: queueName, noAck }: MethodOf<'basic.get'>): void {
  const name = channel.queueName(queueName);
  channel.connection.permissions.read('queue', name);
  refuseStream(channel, name, 'basic.get');
  const queue = channel.vhost.checkQueue(name, channel.connection);
  queue.assertReadable();
  channel.deferFrames();
  channel.whenRelieved(() => queue.get(noAck, new GetDelivery(channel, noAck)));
}
