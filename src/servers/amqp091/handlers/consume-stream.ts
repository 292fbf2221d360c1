import type { Work } from '../../../base/turn-time.ts';
import type { Table, Value } from '../../../base/value.ts';
import { typeName } from '../../../base/value-text.ts';
import { consumed } from '../../../broker/streams/any-stream.ts';
import type {
  StreamConsumerRequest,
  StreamReader,
} from '../../../broker/streams/consumers/stream-consumer.ts';
import {
  type OffsetSpecification,
  offsetSpecification,
} from '../../../broker/topology/offset-specification.ts';
import type { StreamPort } from '../../../broker/topology/ports.ts';
import { resourceText } from '../../../broker/topology/refusals.ts';
import type { MethodOf } from '../../../wire/amqp091/definitions.ts';
import type { HandlerContext } from '../channel-context.ts';
import { StreamDelivery } from '../deliver/stream-delivery.ts';
import { AmqpError } from '../errors.ts';
import { refuseGlobalQos } from './refuse-global-qos.ts';

/** Arguments of basic.consume that RabbitMQ refuses for streams. */
const NOT_FOR_STREAMS: readonly string[] = ['x-priority', 'x-cancel-on-ha-failover'];

/** basic.consume from a stream. The rules, and the texts, are RabbitMQ's. */
export function consumeStream(
  channel: HandlerContext,
  stream: StreamPort,
  method: MethodOf<'basic.consume'>,
): void {
  const resource = resourceText('queue', stream.name, channel.vhost.name);
  refuseGlobalQos(channel, stream.name);
  if (channel.prefetchPerConsumer === 0) {
    throw new AmqpError('PRECONDITION_FAILED', `consumer prefetch count is not set for '${resource}'`);
  }
  if (method.noAck) {
    throw new AmqpError(
      'NOT_IMPLEMENTED',
      `automatic acknowledgement not supported by stream queues ${resource}`,
    );
  }
  const args = method.arguments;
  for (const key of NOT_FOR_STREAMS) {
    if (!Object.hasOwn(args, key)) continue;
    throw new AmqpError(
      'PRECONDITION_FAILED',
      `invalid arg '${key}' for ${resource} of queue type rabbit_stream_queue`,
    );
  }
  const start = readStart(args, resource, channel.broker.shard.nowMs);
  const filter = readFilter(args, resource);
  const matchUnfiltered = readMatchUnfiltered(args, resource);
  const tag = channel.consumers.tagFor(method.consumerTag);
  channel.consumers.admit();
  const consuming = consumeOnChannel(channel, stream, {
    tag,
    sink: new StreamDelivery(channel, tag),
    gate: channel.gate,
    credit: channel.prefetchPerConsumer,
    exclusive: method.exclusive,
    arguments: args,
    start,
    filter,
    matchUnfiltered,
  });
  channel.runInSteps('basic.consume', consuming, (consumer) => {
    channel.consumers.add(consumer.asConsumer);
    if (!method.noWait) channel.send({ name: 'basic.consume-ok', consumerTag: tag });
    consumer.begin();
  });
}

/** Nobody is told of the consumer if the channel has ended meanwhile: it goes again. */
function* consumeOnChannel(
  channel: HandlerContext,
  stream: StreamPort,
  request: StreamConsumerRequest,
): Work<StreamReader> {
  const consumer = yield* consumed(stream, request);
  if (channel.state !== 'open') consumer.cancel();
  return consumer;
}

/** The default is `next`, as in RabbitMQ. */
function readStart(args: Table, resource: string, nowMs: number): OffsetSpecification {
  if (!Object.hasOwn(args, 'x-stream-offset')) return { kind: 'next' };
  const value = args['x-stream-offset'];
  const start = offsetSpecification(value, nowMs);
  if (start === null) throw invalid('x-stream-offset', resource, value);
  return start;
}

function readFilter(args: Table, resource: string): readonly string[] | null {
  if (!Object.hasOwn(args, 'x-stream-filter')) return null;
  const value = args['x-stream-filter'];
  if (typeof value === 'string') return [value];
  if (Array.isArray(value) && value.every((each): each is string => typeof each === 'string')) return value;
  throw invalid('x-stream-filter', resource, value);
}

function readMatchUnfiltered(args: Table, resource: string): boolean {
  if (!Object.hasOwn(args, 'x-stream-match-unfiltered')) return false;
  const value = args['x-stream-match-unfiltered'];
  if (typeof value === 'boolean') return value;
  throw invalid('x-stream-match-unfiltered', resource, value);
}

function invalid(key: string, resource: string, value: Value): AmqpError {
  return new AmqpError(
    'PRECONDITION_FAILED',
    `invalid arg '${key}' for ${resource}: {unacceptable_${typeof value === 'string' ? 'value' : 'type'},` +
      `${typeof value === 'string' ? value : typeName(value)}}`,
  );
}
