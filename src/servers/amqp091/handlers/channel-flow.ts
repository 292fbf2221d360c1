import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { Channel } from '../channel.ts';

/** The client can do without deliveries for a while. */
export function channelFlow(channel: Channel, method: MethodOf<'channel.flow'>): void {
  channel.setFlow(method.active);
  channel.send({ name: 'channel.flow-ok', active: method.active });
}
