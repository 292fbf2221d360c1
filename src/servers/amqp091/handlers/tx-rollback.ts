import type { Channel } from '../channel.ts';
import { AmqpError } from '../errors.ts';

export function txRollback(channel: Channel): void {
  if (channel.transaction === null) {
    throw new AmqpError('PRECONDITION_FAILED', 'channel is not transactional');
  }
  channel.transaction.rollback();
  channel.send({ name: 'tx.rollback-ok' });
}
