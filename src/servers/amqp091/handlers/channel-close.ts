import type { Channel } from '../channel.ts';

export function channelClose(channel: Channel): void {
  channel.connection.channelClosed(channel);
}
