import { isPredeclared } from '../../../broker/topology/predeclared-exchanges.ts';
import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { HandlerContext } from '../channel-context.ts';
import { withoutLineBreaks } from './line-breaks.ts';

export function exchangeDelete(channel: HandlerContext, method: MethodOf<'exchange.delete'>): void {
  const name = withoutLineBreaks(method.exchange);
  // Predeclared exchanges are refused below, with RabbitMQ's text.
  if (name !== '' && !isPredeclared(name)) channel.connection.permissions.configure('exchange', name);
  const deletion = channel.broker.commands.deleteExchange(channel.vhost, name, method.ifUnused);
  channel.runInSteps('exchange.delete', deletion, () =>
    channel.sendWhenDurable(method.noWait ? null : { name: 'exchange.delete-ok' }),
  );
}
