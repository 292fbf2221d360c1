import type { Table } from '../../../base/value.ts';
import type { DeclarationGuard } from '../../../broker/topology/queue-commands.ts';
import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { Channel } from '../channel.ts';

export function queueDeclare(channel: Channel, method: MethodOf<'queue.declare'>): void {
  const { vhost, connection } = channel;
  const { durable, exclusive, autoDelete, arguments: args } = method;
  const queue = method.passive
    ? vhost.checkQueue(method.queue, connection)
    : vhost.declareQueue(
        { name: method.queue, durable, exclusive, autoDelete, arguments: args },
        connection,
        guard(channel, args),
      );
  channel.lastQueue = queue.name;
  channel.sendWhenDurable(
    method.noWait
      ? null
      : {
          name: 'queue.declare-ok',
          queue: queue.name,
          messageCount: queue.readyCount,
          consumerCount: queue.consumerCount,
        },
  );
}

/** Dead letters are taken out of the queue and put into the exchange, on behalf of whoever makes the queue. */
function guard({ connection: { permissions } }: Channel, args: Table): DeclarationGuard {
  return {
    declaring: (name) => permissions.configure('queue', name),
    creating(name) {
      permissions.createQueue(name);
      const deadLetterExchange = args['x-dead-letter-exchange'];
      if (typeof deadLetterExchange !== 'string') return;
      permissions.read('queue', name);
      permissions.write('exchange', deadLetterExchange);
    },
  };
}
