import type { Value } from '../../../base/value.ts';
import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { HandlerContext } from '../channel-context.ts';
import { withoutLineBreaks } from './line-breaks.ts';

export function exchangeDeclare(channel: HandlerContext, method: MethodOf<'exchange.declare'>): void {
  const name = withoutLineBreaks(method.exchange);
  const { type, passive, durable, autoDelete, internal, noWait, arguments: args } = method;
  const answer = (): void => channel.sendWhenDurable(noWait ? null : { name: 'exchange.declare-ok' });
  if (passive) {
    channel.vhost.checkExchange(name);
    answer();
    return;
  }
  checkPermissions(channel, name, args['alternate-exchange'] ?? null);
  const { user } = channel.connection;
  const declaredBy = typeof args['alternate-exchange'] === 'string' ? user : null;
  const properties = { type, durable, autoDelete, internal, arguments: args, declaredBy };
  const declaration = channel.broker.commands.declareExchange(channel.vhost, { name, ...properties, user });
  channel.runInSteps('exchange.declare', declaration, answer);
}

/** As in RabbitMQ: an alternate exchange takes read on the exchange and write on the alternate. */
function checkPermissions({ vhost, connection }: HandlerContext, name: string, alternate: Value): void {
  // The default exchange is refused below, with RabbitMQ's text.
  if (name === '') return;
  const { permissions } = connection;
  permissions.configure('exchange', name);
  if (typeof alternate !== 'string' || vhost.findExchange(name) !== undefined) return;
  permissions.read('exchange', name);
  permissions.write('exchange', alternate);
}
