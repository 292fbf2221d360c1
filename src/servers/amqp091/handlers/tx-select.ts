import type { Channel } from '../channel.ts';
import { AmqpError } from '../errors.ts';
import { ChannelTransaction } from '../publish/tx-channel.ts';

export function txSelect(channel: Channel): void {
  if (channel.confirms !== null) {
    throw new AmqpError('PRECONDITION_FAILED', 'cannot switch from confirm to tx mode');
  }
  channel.transaction ??= new ChannelTransaction(channel.broker, channel.unacknowledged);
  channel.send({ name: 'tx.select-ok' });
}
