import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { Channel } from '../channel.ts';
import { bindingRequest } from './binding-request.ts';

export function queueBind(channel: Channel, method: MethodOf<'queue.bind'>): void {
  channel.vhost.bindQueue(bindingRequest(channel, method), channel.connection);
  channel.sendWhenDurable(method.noWait ? null : { name: 'queue.bind-ok' });
}
