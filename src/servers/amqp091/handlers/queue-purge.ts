import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { HandlerContext } from '../channel-context.ts';
import { refuseStream } from './refuse-stream.ts';

export function queuePurge(channel: HandlerContext, method: MethodOf<'queue.purge'>): void {
  const name = channel.queueName(method.queue);
  channel.connection.permissions.read('queue', name);
  refuseStream(channel, name, 'queue.purge');
  const queue = channel.vhost.checkQueue(name, channel.connection);
  channel.runInSteps('queue.purge', queue.purgeInSteps(), (messageCount) => {
    if (!method.noWait) channel.send({ name: 'queue.purge-ok', messageCount });
  });
}
