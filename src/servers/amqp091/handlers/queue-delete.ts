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
  if (stream !== undefined) {
    answer(channel.vhost.deleteStream(stream, { ifUnused, ifEmpty }));
    return;
  }
  const deletion = channel.vhost.deleteQueueInSteps(name, { ifUnused, ifEmpty }, channel.connection);
  channel.runInSteps('queue.delete', deletion, answer);
}
