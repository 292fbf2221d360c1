import type { Table, Value } from '../../../base/value.ts';
import { typeName } from '../../../base/value-text.ts';
import type { AnyQueue } from '../../../broker/queues/any-queue.ts';
import { REPLY_TO } from '../../../broker/topology/direct-reply.ts';
import { resourceText } from '../../../broker/topology/refusals.ts';
import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { HandlerContext } from '../channel-context.ts';
import { Delivery } from '../deliver/delivery.ts';
import { WINDOW_MESSAGES } from '../deliver/delivery-window.ts';
import { DirectReplyConsumer } from '../deliver/direct-reply.ts';
import { AmqpError } from '../errors.ts';
import { consumeStream } from './consume-stream.ts';
import { refuseGlobalQos } from './refuse-global-qos.ts';

/**
 * Deliveries begin at the end of the turn at the soonest, so that consume-ok comes first. No-local is accepted and
 * ignored, as in RabbitMQ.
 */
export function basicConsume(channel: HandlerContext, method: MethodOf<'basic.consume'>): void {
  if (method.queue === REPLY_TO) {
    consumeDirectReplyTo(channel, method);
    return;
  }
  const name = channel.queueName(method.queue);
  channel.connection.permissions.read('queue', name);
  const stream = channel.vhost.findStream(name);
  if (stream === undefined) {
    const queue = channel.vhost.checkQueue(name, channel.connection);
    consumeQueue(channel, queue, method, consumerPriority(method.arguments, queue));
  } else {
    channel.connection.permissions.wholeStream(name);
    consumeStream(channel, stream, method);
  }
}

function consumeQueue(
  channel: HandlerContext,
  queue: AnyQueue,
  method: MethodOf<'basic.consume'>,
  priority: number,
): void {
  const tag = channel.consumers.tagFor(method.consumerTag);
  if (queue.settings.isQuorum) refuseGlobalQos(channel, queue.name);
  channel.consumers.admit();
  const limited = channel.prefetchPerConsumer > 0;
  const consuming = queue.consume({
    tag,
    sink: new Delivery(channel, tag),
    gate: channel.gate,
    credit: limited ? channel.prefetchPerConsumer : Number.POSITIVE_INFINITY,
    window: WINDOW_MESSAGES,
    noAck: method.noAck,
    exclusive: method.exclusive,
    priority,
    arguments: method.arguments,
  });
  channel.runInSteps(
    'basic.consume',
    consuming,
    (consumer) => {
      channel.consumers.add(consumer);
      if (!method.noWait) channel.send({ name: 'basic.consume-ok', consumerTag: tag });
      // From another shard it waits for this.
      consumer.wake();
    },
    (consumer) => consumer.cancel(),
  );
}

/** Direct reply-to: from now on this channel can send requests. */
function consumeDirectReplyTo(channel: HandlerContext, method: MethodOf<'basic.consume'>): void {
  const tag = channel.consumers.tagFor(method.consumerTag);
  if (!method.noAck) throw new AmqpError('PRECONDITION_FAILED', 'reply consumer cannot acknowledge');
  if (channel.directReplyTo !== null) {
    throw new AmqpError('PRECONDITION_FAILED', 'reply consumer already set');
  }
  channel.consumers.setDirectReplyTo(new DirectReplyConsumer(channel, tag, method.arguments));
  if (!method.noWait) channel.send({ name: 'basic.consume-ok', consumerTag: tag });
}

/**
 * The argument x-priority; 0 without it. x-cancel-on-ha-failover is checked and has no effect: no queue fails over to
 * another node. The texts are RabbitMQ's.
 */
function consumerPriority(args: Table, queue: AnyQueue): number {
  const failover = args['x-cancel-on-ha-failover'];
  if (failover !== undefined && typeof failover !== 'boolean') {
    throw invalid('x-cancel-on-ha-failover', queue, `: {unacceptable_type,${typeName(failover)}}`);
  }
  if (Object.hasOwn(args, 'x-stream-offset')) {
    const type = queue.arguments['x-queue-type'] === 'quorum' ? 'quorum' : 'classic';
    throw invalid('x-stream-offset', queue, ` of queue type rabbit_${type}_queue`);
  }
  const priority = args['x-priority'];
  if (priority === undefined) return 0;
  if (!isInteger(priority)) {
    throw invalid('x-priority', queue, `: "expected integer, got ${typeName(priority)}"`);
  }
  return Number(priority);
}

function isInteger(value: Value): value is number | bigint {
  return typeof value === 'bigint' || Number.isInteger(value);
}

function invalid(key: string, queue: AnyQueue, reason: string): AmqpError {
  const resource = resourceText('queue', queue.name, queue.vhost);
  return new AmqpError('PRECONDITION_FAILED', `invalid arg '${key}' for ${resource}${reason}`);
}
