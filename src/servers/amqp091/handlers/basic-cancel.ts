import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { Channel } from '../channel.ts';

/** To cancel what is not there succeeds. With its last consumer an auto-delete queue may go. */
export function basicCancel(channel: Channel, method: MethodOf<'basic.cancel'>): void {
  const consumer = channel.consumers.get(method.consumerTag);
  if (method.consumerTag === channel.reply?.tag) channel.cancelReplies();
  else if (consumer !== undefined) channel.cancel(consumer);
  if (!method.noWait) channel.sendWhenDurable({ name: 'basic.cancel-ok', consumerTag: method.consumerTag });
}
