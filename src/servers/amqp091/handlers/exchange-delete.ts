import { isPredeclared } from '../../../broker/topology/predeclared-exchanges.ts';
import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { HandlerContext } from '../channel-context.ts';
import { withoutLineBreaks } from './line-breaks.ts';

export function exchangeDelete(channel: HandlerContext, method: MethodOf<'exchange.delete'>): void {
  const name = withoutLineBreaks(method.exchange);
  // Predeclared exchanges are refused below, with RabbitMQ's text.
  if (name !== '' && !isPredeclared(name)) channel.connection.permissions.configure('exchange', name);
  channel.runInSteps('exchange.delete', channel.vhost.deleteExchangeInSteps(name, method.ifUnused), () =>
    channel.sendWhenDurable(method.noWait ? null : { name: 'exchange.delete-ok' }),
  );
}
