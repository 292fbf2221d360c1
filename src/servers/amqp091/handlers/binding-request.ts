import type { ResourceKind } from '../../../broker/access/access.ts';
import type { BindingRequest } from '../../../broker/topology/binding-commands.ts';
import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { Channel } from '../channel.ts';

/**
 * Who names neither queue nor key means the queue declared last, by its name as the key; who names no queue means the
 * queue declared last (AMQP 1.7.2.3).
 */
export function bindingRequest(
  channel: Channel,
  method: MethodOf<'queue.bind'> | MethodOf<'queue.unbind'>,
): BindingRequest {
  const destination = channel.queueName(method.queue);
  const routingKey = method.queue === '' && method.routingKey === '' ? destination : method.routingKey;
  checkBinding(channel, method.exchange, 'queue', destination, routingKey);
  return { source: method.exchange, destination, routingKey, arguments: method.arguments };
}

/** To bind is to put what one reads from the source into the destination; to unbind takes the same permissions. */
export function checkBinding(
  { vhost, connection: { permissions } }: Channel,
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
