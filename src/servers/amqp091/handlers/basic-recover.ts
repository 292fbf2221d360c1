import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { HandlerContext } from '../channel-context.ts';
import { AmqpError } from '../errors.ts';

export function basicRecover(channel: HandlerContext, { requeue }: MethodOf<'basic.recover'>): void {
  recover(channel, requeue, () => channel.send({ name: 'basic.recover-ok' }));
}

export function basicRecoverAsync(
  channel: HandlerContext,
  { requeue }: MethodOf<'basic.recover-async'>,
): void {
  recover(channel, requeue, () => undefined);
}

function recover(channel: HandlerContext, requeue: boolean, answer: () => void): void {
  // Redelivery to the same consumer is in AMQP 1.8.3.16, and was never in RabbitMQ.
  if (!requeue) throw new AmqpError('NOT_IMPLEMENTED', 'requeue=false');
  const { tx, unacknowledged } = channel;
  const last = unacknowledged.nextTag - 1;
  const inTransaction = tx === null ? null : (tag: number) => tx.hasAcknowledged(tag);
  const steps = unacknowledged.requeueInSteps(last, 'recovered', inTransaction);
  channel.runInSteps('basic.recover', steps, () => {
    channel.updateGate();
    answer();
  });
}
