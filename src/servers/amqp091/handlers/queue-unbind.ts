import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { Channel } from '../channel.ts';
import { bindingRequest } from './binding-request.ts';

export function queueUnbind(channel: Channel, method: MethodOf<'queue.unbind'>): void {
  channel.vhost.unbindQueue(bindingRequest(channel, method), channel.connection);
  channel.sendWhenDurable({ name: 'queue.unbind-ok' });
}
