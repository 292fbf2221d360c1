import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { HandlerContext } from '../channel-context.ts';
import { AmqpError } from '../errors.ts';
import { PublisherConfirms } from '../publish/publisher-confirms.ts';

export function confirmSelect(channel: HandlerContext, method: MethodOf<'confirm.select'>): void {
  if (channel.tx !== null) {
    throw new AmqpError('PRECONDITION_FAILED', 'cannot switch from tx to confirm mode');
  }
  channel.confirms ??= new PublisherConfirms(
    channel.broker,
    channel.output,
    channel.number,
    channel.connection,
  );
  channel.publishing.publisher.isAwaited = true;
  if (!method.noWait) channel.send({ name: 'confirm.select-ok' });
}
