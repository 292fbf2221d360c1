import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { Channel } from '../channel.ts';

export function basicRecover(channel: Channel, method: MethodOf<'basic.recover'>): void {
  channel.recover(method.requeue);
  channel.send({ name: 'basic.recover-ok' });
}
