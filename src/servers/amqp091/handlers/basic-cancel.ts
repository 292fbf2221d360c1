import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { HandlerContext } from '../channel-context.ts';

/** An unknown consumer tag is no error. The last consumer may take an auto-delete queue along, which is waited for. */
export function basicCancel(channel: HandlerContext, method: MethodOf<'basic.cancel'>): void {
  const consumer = channel.consumers.get(method.consumerTag);
  if (method.consumerTag === channel.directReplyTo?.tag) channel.consumers.cancelDirectReplyTo();
  else if (consumer !== undefined) channel.consumers.cancel(consumer);
  if (method.noWait) return;
  const answer = (): void =>
    channel.sendWhenDurable({ name: 'basic.cancel-ok', consumerTag: method.consumerTag });
  const settling = consumer?.queue.afterCancel?.() ?? null;
  if (settling === null) answer();
  else channel.runInSteps('basic.cancel', settling, answer);
}
