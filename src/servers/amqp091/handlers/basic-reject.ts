import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { Channel } from '../channel.ts';

export function basicReject(channel: Channel, method: MethodOf<'basic.reject'>): void {
  channel.reject(method.deliveryTag, false, method.requeue);
}
