import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { Channel } from '../channel.ts';
import { withoutLineBreaks } from '../connection/name-lines.ts';

export function queueDelete(channel: Channel, method: MethodOf<'queue.delete'>): void {
  const name = channel.queueName(withoutLineBreaks(method.queue));
  channel.connection.permissions.configure('queue', name);
  const { ifUnused, ifEmpty } = method;
  const stream = channel.vhost.findStream(name);
  const messageCount =
    stream === undefined
      ? channel.vhost.deleteQueue(name, { ifUnused, ifEmpty }, channel.connection)
      : channel.vhost.deleteStream(stream, { ifUnused, ifEmpty });
  channel.sendWhenDurable(method.noWait ? null : { name: 'queue.delete-ok', messageCount });
}
