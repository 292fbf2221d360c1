import type { Work } from '../../../base/turn-time.ts';
import type { Table } from '../../../base/value.ts';
import type { DeclarationGuard } from '../../../broker/topology/declarations.ts';
import { REPLY_TO } from '../../../broker/topology/direct-reply.ts';
import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { HandlerContext } from '../channel-context.ts';
import { withoutLineBreaks } from './line-breaks.ts';

interface Declared {
  readonly queue: string;
  readonly messageCount: number;
  readonly consumerCount: number;
}

export function queueDeclare(channel: HandlerContext, method: MethodOf<'queue.declare'>): void {
  const { vhost } = channel;
  if (method.queue === REPLY_TO || vhost.directReplies.has(method.queue)) {
    declareDirectReplyTo(channel, method);
    return;
  }
  const name = withoutLineBreaks(method.queue);
  const isStream = method.passive
    ? vhost.findStream(name) !== undefined
    : method.arguments['x-queue-type'] === 'stream' && vhost.findQueue(name) === undefined;
  const declaration = isStream ? declareStream(channel, name, method) : declareQueue(channel, name, method);
  channel.runInSteps('queue.declare', declaration, (declared) => {
    channel.lastQueue = declared.queue;
    channel.sendWhenDurable(method.noWait ? null : { name: 'queue.declare-ok', ...declared });
  });
}

function* declareQueue(
  channel: HandlerContext,
  name: string,
  { passive, durable, exclusive, autoDelete, arguments: args }: MethodOf<'queue.declare'>,
): Work<Declared> {
  const { vhost, broker, connection } = channel;
  const { user } = connection;
  const isPassive = passive || name.startsWith(REPLY_TO);
  // A requester of another shard is asked for there.
  if (name.startsWith(REPLY_TO) && (yield* vhost.directReplies.isElsewhere(name)))
    return { queue: name, messageCount: 0, consumerCount: 1 };
  const declaredBy = typeof args['x-dead-letter-exchange'] === 'string' ? user : null;
  const queue = isPassive
    ? vhost.checkQueue(name, connection)
    : yield* broker.commands.declareQueue(
        vhost,
        { name, durable, exclusive, autoDelete, arguments: args, declaredBy, user },
        connection,
        guard(channel, args),
      );
  // As in RabbitMQ, a passive declare restarts the queue's expiry (x-expires).
  if (isPassive) queue.touch();
  const { ready, consumers } = queue.counts ?? (yield* queue.askCounts());
  return { queue: queue.name, messageCount: ready, consumerCount: consumers };
}

/** Declares or finds a queue of type `stream`. */
function* declareStream(
  channel: HandlerContext,
  name: string,
  { passive, durable, exclusive, autoDelete, arguments: args }: MethodOf<'queue.declare'>,
): Work<Declared> {
  const { vhost, broker, connection } = channel;
  const { user } = connection;
  const known = passive ? vhost.findStream(name) : undefined;
  const stream =
    known ??
    (yield* broker.commands.declareStream(
      vhost,
      { name, durable, exclusive, autoDelete, arguments: args, user },
      guard(channel, args),
    ));
  const { ready, consumers } = stream.counts ?? (yield* stream.askCounts());
  return { queue: name, messageCount: ready, consumerCount: consumers };
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
