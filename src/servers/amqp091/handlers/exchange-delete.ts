import { isPredeclared } from '../../../broker/topology/exchange.ts';
import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { HandlerContext } from '../channel-context.ts';
import { withoutLineBreaks } from './line-breaks.ts';

export function exchangeDelete(channel: HandlerContext, method: MethodOf<'exchange.delete'>): void {
  const name = withoutLineBreaks(method.exchange);
  // What nobody may delete is refused with a text of its own.
  if (name !== '' && !isPredeclared(name)) channel.connection.permissions.configure('exchange', name);
  channel.vhost.deleteExchange(name, method.ifUnused);
  channel.sendWhenDurable(method.noWait ? null : { name: 'exchange.delete-ok' });
}
