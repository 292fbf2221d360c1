import type { Channel } from '../channel.ts';
import { AmqpError } from '../errors.ts';

/** Answered when all of it is durable; what the client sends meanwhile waits. */
export function txCommit(channel: Channel): void {
  const { transaction } = channel;
  if (transaction === null) throw new AmqpError('PRECONDITION_FAILED', 'channel is not transactional');
  channel.hold();
  transaction.commit((returned) => {
    if (channel.state !== 'open') return;
    for (const frames of returned) channel.output.bytes(frames);
    channel.send({ name: 'tx.commit-ok' });
    channel.resume();
  });
  channel.updateGate();
}
