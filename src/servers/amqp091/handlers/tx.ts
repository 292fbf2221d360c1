import { TX_COMMIT } from '../../../wire/amqp091/methods.ts';
import type { HandlerContext } from '../channel-context.ts';
import { AmqpError, closeReason } from '../errors.ts';
import { TxChannel } from '../publish/tx-channel.ts';

export function txSelect(channel: HandlerContext): void {
  if (channel.confirms !== null) {
    throw new AmqpError('PRECONDITION_FAILED', 'cannot switch from confirm to tx mode');
  }
  channel.tx ??= new TxChannel(channel.broker, channel.unacknowledged, channel.connection.memory);
  channel.send({ name: 'tx.select-ok' });
}

/** Answered when all of it is safe; frames that come meanwhile are deferred. */
export function txCommit(channel: HandlerContext): void {
  const tx = txOf(channel);
  const { unacknowledged } = channel;
  const before = unacknowledged.count;
  channel.deferFrames();
  tx.commit((returned, isRefused) => {
    if (channel.state !== 'open') return;
    if (isRefused) {
      channel.close(closeReason('PRECONDITION_FAILED', 'partial tx completion', TX_COMMIT));
      return;
    }
    for (const frames of returned) channel.output.bytes(frames);
    channel.send({ name: 'tx.commit-ok' });
    channel.resume();
  });
  channel.windows.settled(before - unacknowledged.count, channel.consumers.values());
  channel.updateGate();
}

export function txRollback(channel: HandlerContext): void {
  txOf(channel).rollback();
  channel.send({ name: 'tx.rollback-ok' });
}

function txOf({ tx }: HandlerContext): TxChannel {
  if (tx === null) throw new AmqpError('PRECONDITION_FAILED', 'channel is not transactional');
  return tx;
}
