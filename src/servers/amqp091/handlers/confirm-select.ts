import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { Channel } from '../channel.ts';
import { AmqpError } from '../errors.ts';
import { Confirms } from '../publish/publisher-confirms.ts';

export function confirmSelect(channel: Channel, method: MethodOf<'confirm.select'>): void {
  if (channel.transaction !== null) {
    throw new AmqpError('PRECONDITION_FAILED', 'cannot switch from tx to confirm mode');
  }
  channel.confirms ??= new Confirms(channel.broker, channel.output, channel.number);
  if (!method.noWait) channel.send({ name: 'confirm.select-ok' });
}
