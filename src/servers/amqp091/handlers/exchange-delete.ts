import { isPredeclared } from '../../../broker/topology/exchange.ts';
import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { Channel } from '../channel.ts';

export function exchangeDelete(channel: Channel, method: MethodOf<'exchange.delete'>): void {
  // What nobody may delete is refused with a text of its own.
  if (method.exchange !== '' && !isPredeclared(method.exchange)) {
    channel.connection.permissions.configure('exchange', method.exchange);
  }
  channel.vhost.deleteExchange(method.exchange, method.ifUnused);
  channel.sendWhenDurable(method.noWait ? null : { name: 'exchange.delete-ok' });
}
