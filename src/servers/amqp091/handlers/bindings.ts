import type { ResourceKind } from '../../../broker/access/access.ts';
import type { BindingRequest } from '../../../broker/topology/binding-commands.ts';
import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { HandlerContext } from '../channel-context.ts';

export function queueBind(channel: HandlerContext, method: MethodOf<'queue.bind'>): void {
  const { vhost, broker, connection } = channel;
  const binding = broker.commands.bindQueue(vhost, queueBinding(channel, method), connection);
  channel.runInSteps('queue.bind', binding, () =>
    channel.sendWhenDurable(method.noWait ? null : { name: 'queue.bind-ok' }),
  );
}

/** AMQP 1.7.2.5: it has no no-wait. */
export function queueUnbind(channel: HandlerContext, method: MethodOf<'queue.unbind'>): void {
  const { vhost, broker, connection } = channel;
  const unbinding = broker.commands.unbindQueue(vhost, queueBinding(channel, method), connection);
  channel.runInSteps('queue.unbind', unbinding, () => channel.sendWhenDurable({ name: 'queue.unbind-ok' }));
}

export function exchangeBind(channel: HandlerContext, method: MethodOf<'exchange.bind'>): void {
  const { vhost, broker } = channel;
  const binding = broker.commands.bindExchange(vhost, exchangeBinding(channel, method));
  channel.runInSteps('exchange.bind', binding, () =>
    channel.sendWhenDurable(method.noWait ? null : { name: 'exchange.bind-ok' }),
  );
}

export function exchangeUnbind(channel: HandlerContext, method: MethodOf<'exchange.unbind'>): void {
  const { vhost, broker } = channel;
  const unbinding = broker.commands.unbindExchange(vhost, exchangeBinding(channel, method));
  channel.runInSteps('exchange.unbind', unbinding, () =>
    channel.sendWhenDurable(method.noWait ? null : { name: 'exchange.unbind-ok' }),
  );
}

function exchangeBinding(
  channel: HandlerContext,
  method: MethodOf<'exchange.bind'> | MethodOf<'exchange.unbind'>,
): BindingRequest {
  const { source, destination, routingKey, arguments: args } = method;
  checkBinding(channel, source, 'exchange', destination, routingKey);
  return { source, destination, routingKey, arguments: args, user: channel.connection.user };
}

/**
 * Without a queue name it is about the queue declared last; without a routing key too, that queue's name is the key
 * (AMQP 1.7.2.3).
 */
function queueBinding(
  channel: HandlerContext,
  method: MethodOf<'queue.bind'> | MethodOf<'queue.unbind'>,
): BindingRequest {
  const destination = channel.queueName(method.queue);
  const routingKey = method.queue === '' && method.routingKey === '' ? destination : method.routingKey;
  checkBinding(channel, method.exchange, 'queue', destination, routingKey);
  const { exchange: source, arguments: args } = method;
  return { source, destination, routingKey, arguments: args, user: channel.connection.user };
}

/** As in RabbitMQ: read on the source, write on the destination, for unbind too. */
function checkBinding(
  { vhost, connection: { permissions } }: HandlerContext,
  source: string,
  destinationKind: ResourceKind,
  destination: string,
  routingKey: string,
): void {
  permissions.write(destinationKind, destination);
  // The default exchange cannot be bound at either end.
  if (source === '' || (destinationKind === 'exchange' && destination === '')) return;
  permissions.read('exchange', source);
  const exchange = vhost.findExchange(source);
  if (exchange !== undefined) permissions.topic('read', exchange, routingKey);
}
