import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { HandlerContext } from '../channel-context.ts';

/** As a deferred frame, or malformed; `Connection` reads all others itself. */
export function basicAck(channel: HandlerContext, method: MethodOf<'basic.ack'>): void {
  channel.ack(method.deliveryTag, method.multiple);
}

/** RabbitMQ's: for one delivery or several, which were not processed; basic.reject says that processing failed. */
export function basicNack(channel: HandlerContext, method: MethodOf<'basic.nack'>): void {
  channel.nack(method.deliveryTag, method.multiple, method.requeue);
}

export function basicReject(channel: HandlerContext, method: MethodOf<'basic.reject'>): void {
  channel.reject(method.deliveryTag, method.requeue);
}
