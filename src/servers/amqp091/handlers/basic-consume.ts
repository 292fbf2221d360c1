import { REPLY_TO } from '../../../broker/topology/direct-reply.ts';
import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { Channel } from '../channel.ts';
import { consumeStream } from './consume-stream.ts';
import { consumerPriority } from './consumer-arguments.ts';

/** No-local is accepted and ignored, as in RabbitMQ. */
export function basicConsume(channel: Channel, method: MethodOf<'basic.consume'>): void {
  if (method.queue === REPLY_TO) {
    channel.consumeReplies(method);
    return;
  }
  const name = channel.queueName(method.queue);
  channel.connection.permissions.read('queue', name);
  const stream = channel.vhost.findStream(name);
  if (stream !== undefined) {
    consumeStream(channel, stream, method);
    return;
  }
  const queue = channel.vhost.checkQueue(name, channel.connection);
  channel.consume(queue, method, consumerPriority(method.arguments, queue));
}
