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
  return { source: method.exchange, destination, routingKey, arguments: method.arguments };
}
