import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { Channel } from '../channel.ts';
import { checkBinding } from './binding-request.ts';

export function exchangeBind(channel: Channel, method: MethodOf<'exchange.bind'>): void {
  const { source, destination, routingKey, arguments: args } = method;
  checkBinding(channel, source, 'exchange', destination, routingKey);
  channel.vhost.bindExchange({ source, destination, routingKey, arguments: args });
  channel.sendWhenDurable(method.noWait ? null : { name: 'exchange.bind-ok' });
}
