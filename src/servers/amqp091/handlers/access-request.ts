import type { Channel } from '../channel.ts';

/** Of AMQP 0-8: there are no tickets, but old clients ask for one. */
export function accessRequest(channel: Channel): void {
  channel.send({ name: 'access.request-ok', ticket: 1 });
}
