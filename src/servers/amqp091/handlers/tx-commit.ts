import type { Channel } from '../channel.ts';
import { AmqpError } from '../errors.ts';

/** Answered when all of it is durable; what the client sends meanwhile waits. */
export function txCommit(channel: Channel): void {
  const { transaction } = channel;
  if (transaction === null) throw new AmqpError('PRECONDITION_FAILED', 'channel is not transactional');
  channel.hold();
  transaction.commit(channel.output, () => {
    if (channel.state !== 'open') return;
    channel.send({ name: 'tx.commit-ok' });
    channel.resume();
  });
  channel.updateGate();
}
