import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { Channel } from '../channel.ts';
import { checkBinding } from './binding-request.ts';

export function exchangeUnbind(channel: Channel, method: MethodOf<'exchange.unbind'>): void {
  const { source, destination, routingKey, arguments: args } = method;
  checkBinding(channel, source, 'exchange', destination, routingKey);
  channel.vhost.unbindExchange({ source, destination, routingKey, arguments: args });
  channel.sendWhenDurable(method.noWait ? null : { name: 'exchange.unbind-ok' });
}
