import type { Table } from '../../../base/value.ts';
import type { DeclarationGuard } from '../../../broker/topology/declarations.ts';
import { REPLY_TO } from '../../../broker/topology/direct-reply.ts';
import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { HandlerContext } from '../channel-context.ts';
import { withoutLineBreaks } from './line-breaks.ts';

export function queueDeclare(channel: HandlerContext, method: MethodOf<'queue.declare'>): void {
  const { vhost, connection } = channel;
  if (method.queue === REPLY_TO || vhost.directReplies.has(method.queue)) {
    declareDirectReplyTo(channel, method);
    return;
  }
  if (declareStream(channel, method)) return;
  const isPassive = method.passive || method.queue.startsWith(REPLY_TO);
  const name = withoutLineBreaks(method.queue);
  const { durable, exclusive, autoDelete, arguments: args } = method;
  const declaredBy = typeof args['x-dead-letter-exchange'] === 'string' ? connection.user : null;
  const queue = isPassive
    ? vhost.checkQueue(name, connection)
    : vhost.declareQueue(
        { name, durable, exclusive, autoDelete, arguments: args, declaredBy, user: connection.user },
        connection,
        guard(channel, args),
      );
  // As in RabbitMQ, a passive declare restarts the queue's expiry (x-expires).
  if (isPassive) queue.touch();
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

/** Declares or finds a queue of type `stream`. False if the method is about a queue of another type. */
function declareStream(channel: HandlerContext, method: MethodOf<'queue.declare'>): boolean {
  const { vhost } = channel;
  const { passive, durable, exclusive, autoDelete, arguments: args } = method;
  const name = withoutLineBreaks(method.queue);
  const isWanted = args['x-queue-type'] === 'stream' && vhost.findQueue(name) === undefined;
  const known = vhost.findStream(name);
  if (passive ? known === undefined : !isWanted) return false;
  const stream =
    passive && known !== undefined
      ? known
      : vhost.declareStream(
          { name, durable, exclusive, autoDelete, arguments: args, user: channel.connection.user },
          guard(channel, args),
        );
  channel.lastQueue = name;
  const { messageCount, consumerCount } = stream;
  channel.sendWhenDurable(
    method.noWait ? null : { name: 'queue.declare-ok', queue: name, messageCount, consumerCount },
  );
  return true;
}

/**
 * RabbitMQ's direct reply-to: a responder declares the reply-to of a request to learn whether the requester is still
 * there. `amq.rabbitmq.reply-to` itself always is.
 */
function declareDirectReplyTo(channel: HandlerContext, { queue, noWait }: MethodOf<'queue.declare'>): void {
  channel.lastQueue = queue;
  if (!noWait) channel.send({ name: 'queue.declare-ok', queue, messageCount: 0, consumerCount: 1 });
}

/**
 * As in RabbitMQ: x-dead-letter-exchange takes read on the queue and write on the exchange; and the fixed routing key is one
 * that the user may publish there with.
 */
function guard({ vhost, connection: { permissions } }: HandlerContext, args: Table): DeclarationGuard {
  return {
    declaring: (name) => permissions.configure('queue', name),
    creating(name) {
      permissions.createQueue(name);
      const deadLetterExchange = args['x-dead-letter-exchange'];
      if (typeof deadLetterExchange !== 'string') return;
      permissions.read('queue', name);
      permissions.write('exchange', deadLetterExchange);
      const exchange = vhost.findExchange(deadLetterExchange);
      const routingKey = args['x-dead-letter-routing-key'];
      if (exchange !== undefined && typeof routingKey === 'string') {
        permissions.topic('write', exchange, routingKey);
      }
    },
  };
}
