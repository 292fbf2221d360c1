import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { Channel } from '../channel.ts';

export function basicAck(channel: Channel, method: MethodOf<'basic.ack'>): void {
  channel.ack(method.deliveryTag, method.multiple);
}
