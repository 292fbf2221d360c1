import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { HandlerContext } from '../channel-context.ts';
import { AmqpError } from '../errors.ts';

/** On a channel that is open already: `Connection` opens new ones. */
export function channelOpen(_channel: HandlerContext): void {
  throw new AmqpError('CHANNEL_ERROR', "second 'channel.open' seen");
}

export function channelFlow(channel: HandlerContext, { active }: MethodOf<'channel.flow'>): void {
  channel.setFlow(active);
  channel.send({ name: 'channel.flow-ok', active });
}

export function channelClose(channel: HandlerContext): void {
  channel.closedByClient();
}

/** Of AMQP 0-8: there are no tickets, but old clients ask for one. */
export function accessRequest(channel: HandlerContext): void {
  channel.send({ name: 'access.request-ok', ticket: 1 });
}
