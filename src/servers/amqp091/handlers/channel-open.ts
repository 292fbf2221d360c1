import type { Channel } from '../channel.ts';
import { AmqpError } from '../errors.ts';

/** A channel that is there already: the connection sees to new ones. */
export function channelOpen(_channel: Channel): void {
  throw new AmqpError('CHANNEL_ERROR', "second 'channel.open' seen");
}
