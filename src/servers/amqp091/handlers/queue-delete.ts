import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { HandlerContext } from '../channel-context.ts';
import { withoutLineBreaks } from './line-breaks.ts';

export function queueDelete(channel: HandlerContext, method: MethodOf<'queue.delete'>): void {
  const name = channel.queueName(withoutLineBreaks(method.queue));
  channel.connection.permissions.configure('queue', name);
  const { ifUnused, ifEmpty } = method;
  const answer = (messageCount: number): void =>
    channel.sendWhenDurable(method.noWait ? null : { name: 'queue.delete-ok', messageCount });
  const stream = channel.vhost.findStream(name);
  const { vhost, broker, connection } = channel;
  const conditions = { ifUnused, ifEmpty };
  const deletion =
    stream === undefined
      ? broker.commands.deleteQueue(vhost, name, conditions, connection)
      : broker.commands.deleteStream(vhost, stream, conditions);
  channel.runInSteps('queue.delete', deletion, answer);
}
