import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { Channel } from '../channel.ts';

export function exchangeDelete(channel: Channel, method: MethodOf<'exchange.delete'>): void {
  channel.vhost.deleteExchange(method.exchange, method.ifUnused);
  channel.sendWhenDurable(method.noWait ? null : { name: 'exchange.delete-ok' });
}
