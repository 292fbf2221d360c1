import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { Channel } from '../channel.ts';

export function exchangeDeclare(channel: Channel, method: MethodOf<'exchange.declare'>): void {
  const { exchange: name, type, passive, durable, autoDelete, internal, noWait, arguments: args } = method;
  if (passive) channel.vhost.checkExchange(name);
  else channel.vhost.declareExchange({ name, type, durable, autoDelete, internal, arguments: args });
  channel.sendWhenDurable(noWait ? null : { name: 'exchange.declare-ok' });
}
