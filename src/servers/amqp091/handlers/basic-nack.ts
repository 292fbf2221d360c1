import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { Channel } from '../channel.ts';

export function basicNack(channel: Channel, method: MethodOf<'basic.nack'>): void {
  channel.reject(method.deliveryTag, method.multiple, method.requeue);
}
