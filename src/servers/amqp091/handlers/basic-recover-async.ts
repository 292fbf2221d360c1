import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { Channel } from '../channel.ts';

export function basicRecoverAsync(channel: Channel, method: MethodOf<'basic.recover-async'>): void {
  channel.recover(method.requeue);
}
