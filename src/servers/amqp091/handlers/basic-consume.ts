import { REPLY_TO } from '../../../broker/replies/replies.ts';
import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { Channel } from '../channel.ts';
import { consumerPriority } from '../consumer-arguments.ts';
import { consumeStream } from '../stream-consuming.ts';

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
