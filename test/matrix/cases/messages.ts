import type { Table } from '../../../src/base/value.ts';
import { by, type Case, call, frame, many, on, pause, publish, type Step } from '../case.ts';

const declare = call('queue.declare', { queue: '~q' });
const message = publish({ routingKey: '~q' });
const get = call('basic.get', { queue: '~q' });
const channel2 = on(2, call('channel.open'));
const ofAnother: Step = by('other', call('queue.declare', { queue: '~q', exclusive: true }));
const consume = call('basic.consume', { queue: '~q', consumerTag: 't' });

function consumeWith(args: object): Step {
  return call('basic.consume', { queue: '~q', consumerTag: 't', ...args });
}

function consumerArgument(args: Table): Step {
  return consumeWith({ arguments: args });
}

const quiet = { untilQuiet: true } as const;

const declareQuorum = call('queue.declare', {
  queue: '~q',
  durable: true,
  arguments: { 'x-queue-type': 'quorum' },
});
const declareStream = call('queue.declare', {
  queue: '~q',
  durable: true,
  arguments: { 'x-queue-type': 'stream' },
});
const limitChannel = call('basic.qos', { prefetchCount: 5, global: true });
const limitConsumer = call('basic.qos', { prefetchCount: 5 });
/** A message of a stream is at a consumer, with delivery tag 1. */
const readOfStream: readonly Step[] = [
  declareStream,
  limitConsumer,
  publish({ routingKey: '~q' }),
  consumeWith({ arguments: { 'x-stream-offset': 'first' } }),
  pause(500),
];

export const messageCases: readonly Case[] = [
  ...many('basic.qos', {
    'a count': ['none', call('basic.qos', { prefetchCount: 5 })],
    'a count for the channel': ['none', call('basic.qos', { prefetchCount: 5, global: true })],
    'the highest count': ['none', call('basic.qos', { prefetchCount: 65_535 })],
    'a size': ['argument', call('basic.qos', { prefetchSize: 1 })],
    'a count for the channel, which has a consumer of a quorum queue': [
      'none',
      declareQuorum,
      consume,
      limitChannel,
    ],
    'a size and a count': [
      'argument',
      call('basic.qos', { prefetchSize: 4096, prefetchCount: 1, global: true }),
    ],
  }),
  ...many('basic.consume', {
    'a queue': ['none', declare, consume],
    'a tag that the server makes up': ['none', declare, consumeWith({ consumerTag: '' })],
    'no queue of this name': ['missing', consume],
    'no queue of this name, no-wait': ['missing', consumeWith({ noWait: true })],
    'no name, and none was declared before': ['missing', consumeWith({ queue: '' })],
    'no name, one was declared before': ['none', declare, consumeWith({ queue: '' })],
    'the same tag twice': ['state', declare, consume, consume],
    'the same tag on another channel': ['none', declare, consume, channel2, on(2, consume)],
    'a tag again that was cancelled': [
      'none',
      declare,
      consume,
      call('basic.cancel', { consumerTag: 't' }),
      consume,
    ],
    'a reserved tag': ['none', declare, consumeWith({ consumerTag: 'amq.ctag-mine' })],
    'an exclusive queue of another connection': ['state', ofAnother, consume],
    'exclusive, beside another': [
      'state',
      declare,
      consume,
      consumeWith({ consumerTag: 'u', exclusive: true }),
    ],
    'beside an exclusive one': [
      'state',
      declare,
      consumeWith({ exclusive: true }),
      consumeWith({ consumerTag: 'u' }),
    ],
    'beside an exclusive one, on another connection': [
      'state',
      declare,
      by('other', consumeWith({ exclusive: true })),
      consumeWith({ consumerTag: 'u' }),
    ],
    'after an exclusive one': [
      'none',
      declare,
      consumeWith({ exclusive: true }),
      call('basic.cancel', { consumerTag: 't' }),
      consumeWith({ consumerTag: 'u' }),
    ],
    'a quorum queue': ['none', declareQuorum, consume],
    'a quorum queue, with a limit for the channel': ['argument', declareQuorum, limitChannel, consume],
    'a quorum queue, with a limit for the channel that was taken back': [
      'none',
      declareQuorum,
      limitChannel,
      call('basic.qos', { global: true }),
      consume,
    ],
    'a quorum queue, with a limit for the channel, and the same tag twice': [
      'state',
      declareQuorum,
      consume,
      limitChannel,
      consume,
    ],
    'a quorum queue, with a limit for the channel, and a priority that is a string': [
      'argument',
      declareQuorum,
      limitChannel,
      consumerArgument({ 'x-priority': 'high' }),
    ],
    'a stream': ['none', declareStream, limitConsumer, consume],
    'a stream, with a limit for the channel': [
      'argument',
      declareStream,
      limitConsumer,
      limitChannel,
      consume,
    ],
    'no-local': ['none', declare, consumeWith({ noLocal: true })],
    'a priority': ['none', declare, consumerArgument({ 'x-priority': 5 })],
    'a priority below zero': ['none', declare, consumerArgument({ 'x-priority': -5 })],
    'a priority that is a string': ['argument', declare, consumerArgument({ 'x-priority': 'high' })],
    'a priority that is no integer': ['argument', declare, consumerArgument({ 'x-priority': 1.5 })],
    'a priority that is a bool': ['argument', declare, consumerArgument({ 'x-priority': true })],
    'an argument that nobody knows': ['none', declare, consumerArgument({ 'x-unheard-of': 1 })],
    'x-cancel-on-ha-failover': ['none', declare, consumerArgument({ 'x-cancel-on-ha-failover': true })],
    'exclusive of a single-active-consumer queue': [
      'argument',
      call('queue.declare', { queue: '~q', arguments: { 'x-single-active-consumer': true } }),
      consumeWith({ exclusive: true }),
    ],
    'a message that is there': [
      'none',
      { awaits: 'basic.deliver' },
      declare,
      message,
      consumeWith({ noAck: true }),
    ],
    'direct replies': ['none', consumeWith({ queue: 'amq.rabbitmq.reply-to', noAck: true })],
    'direct replies with acknowledgements': ['argument', consumeWith({ queue: 'amq.rabbitmq.reply-to' })],
    'direct replies twice on a channel': [
      'state',
      consumeWith({ queue: 'amq.rabbitmq.reply-to', noAck: true }),
      consumeWith({ queue: 'amq.rabbitmq.reply-to', noAck: true, consumerTag: 'u' }),
    ],
    'direct replies, the same tag as another': [
      'state',
      declare,
      consume,
      consumeWith({ queue: 'amq.rabbitmq.reply-to', noAck: true }),
    ],
    'direct replies again after a cancel': [
      'none',
      consumeWith({ queue: 'amq.rabbitmq.reply-to', noAck: true }),
      call('basic.cancel', { consumerTag: 't' }),
      consumeWith({ queue: 'amq.rabbitmq.reply-to', noAck: true }),
    ],
    'direct replies, exclusive': [
      'none',
      consumeWith({ queue: 'amq.rabbitmq.reply-to', noAck: true, exclusive: true }),
    ],
  }),
  ...many('basic.cancel', {
    'a consumer': ['none', declare, consume, call('basic.cancel', { consumerTag: 't' })],
    'a tag that is not there': ['missing', call('basic.cancel', { consumerTag: 'nobody' })],
    'no tag': ['missing', call('basic.cancel')],
    twice: [
      'missing',
      declare,
      consume,
      call('basic.cancel', { consumerTag: 't' }),
      call('basic.cancel', { consumerTag: 't' }),
    ],
    'the consumer of another channel': [
      'missing',
      declare,
      consume,
      channel2,
      on(2, call('basic.cancel', { consumerTag: 't' })),
    ],
    'no-wait': ['none', declare, consume, call('basic.cancel', { consumerTag: 't', noWait: true })],
    'by the server, when the queue goes': [
      'none',
      { capabilities: { consumer_cancel_notify: true }, awaits: 'basic.cancel' },
      declare,
      consume,
      call('queue.delete', { queue: '~q' }),
    ],
    'by the server, of a client that did not ask for it': [
      'none',
      declare,
      consume,
      call('queue.delete', { queue: '~q' }),
    ],
  }),
  ...many('basic.cancel-ok', {
    'that nobody waits for': ['state', call('basic.cancel-ok', { consumerTag: 't' })],
  }),
  ...many('basic.get', {
    'a message': [
      'none',
      { awaits: 'basic.get-ok' },
      declare,
      message,
      call('basic.get', { queue: '~q', noAck: true }),
    ],
    'of an empty queue': ['none', declare, get],
    'no queue of this name': ['missing', get],
    'no name, and none was declared before': ['missing', call('basic.get')],
    'no name, one was declared before': ['none', declare, call('basic.get')],
    'an exclusive queue of another connection': ['state', ofAnother, get],
    'of a queue with an exclusive consumer': [
      'state',
      declare,
      by('other', consumeWith({ exclusive: true })),
      get,
    ],
    'of a queue with a single active consumer': [
      'state',
      call('queue.declare', { queue: '~q', arguments: { 'x-single-active-consumer': true } }),
      get,
    ],
    'of a stream': ['argument', declareStream, get],
    'the queue of direct replies': ['state', call('basic.get', { queue: 'amq.rabbitmq.reply-to' })],
    'the queue of direct replies, no-ack': [
      'state',
      call('basic.get', { queue: 'amq.rabbitmq.reply-to', noAck: true }),
    ],
  }),
  ...many('basic.ack', {
    'a message of a stream': ['none', quiet, ...readOfStream, call('basic.ack', { deliveryTag: 1 })],
    'a message': ['none', declare, message, get, call('basic.ack', { deliveryTag: 1 })],
    'a tag that was not given': ['argument', call('basic.ack', { deliveryTag: 1 })],
    'a tag beyond the last': ['argument', declare, message, get, call('basic.ack', { deliveryTag: 2 })],
    'the tag 0': ['argument', call('basic.ack', { deliveryTag: 0 })],
    'the tag 0, where there is one': [
      'argument',
      declare,
      message,
      get,
      call('basic.ack', { deliveryTag: 0 }),
    ],
    'all, where there are none': ['none', call('basic.ack', { deliveryTag: 0, multiple: true })],
    'up to a tag that was not given': ['argument', call('basic.ack', { deliveryTag: 5, multiple: true })],
    'up to a tag beyond the last': [
      'argument',
      declare,
      message,
      get,
      call('basic.ack', { deliveryTag: 5, multiple: true }),
    ],
    twice: [
      'state',
      declare,
      message,
      get,
      call('basic.ack', { deliveryTag: 1 }),
      call('basic.ack', { deliveryTag: 1 }),
    ],
    'twice, up to it': [
      'state',
      declare,
      message,
      get,
      call('basic.ack', { deliveryTag: 1, multiple: true }),
      call('basic.ack', { deliveryTag: 1, multiple: true }),
    ],
    'after a nack': [
      'state',
      declare,
      message,
      get,
      call('basic.nack', { deliveryTag: 1 }),
      call('basic.ack', { deliveryTag: 1 }),
    ],
    'on another channel': [
      'state',
      declare,
      message,
      get,
      channel2,
      on(2, call('basic.ack', { deliveryTag: 1 })),
    ],
    'of a message that needed none': [
      'state',
      declare,
      message,
      call('basic.get', { queue: '~q', noAck: true }),
      call('basic.ack', { deliveryTag: 1 }),
    ],
    'after its queue is gone': [
      'none',
      declare,
      message,
      get,
      call('queue.delete', { queue: '~q' }),
      call('basic.ack', { deliveryTag: 1 }),
    ],
    'a tag that was not given, in a transaction': [
      'argument',
      call('tx.select'),
      call('basic.ack', { deliveryTag: 1 }),
    ],
    'twice in a transaction': [
      'state',
      call('tx.select'),
      declare,
      message,
      call('tx.commit'),
      get,
      call('basic.ack', { deliveryTag: 1 }),
      call('basic.ack', { deliveryTag: 1 }),
    ],
    'the highest tag that there is': [
      'argument',
      quiet,
      frame(1, Buffer.concat([Buffer.from([0, 60, 0, 80]), Buffer.alloc(8, 0xff), Buffer.from([0])])),
    ],
  }),
  ...many('basic.reject', {
    'a message of a stream': ['none', quiet, ...readOfStream, call('basic.reject', { deliveryTag: 1 })],
    'a message of a stream, back to it': [
      'none',
      quiet,
      ...readOfStream,
      call('basic.reject', { deliveryTag: 1, requeue: true }),
    ],
    'a message': ['none', declare, message, get, call('basic.reject', { deliveryTag: 1 })],
    'a message, back to its queue': [
      'none',
      declare,
      message,
      get,
      call('basic.reject', { deliveryTag: 1, requeue: true }),
    ],
    'a tag that was not given': ['argument', call('basic.reject', { deliveryTag: 1 })],
    'the tag 0': ['argument', call('basic.reject', { deliveryTag: 0 })],
    'on another channel': [
      'state',
      declare,
      message,
      get,
      channel2,
      on(2, call('basic.reject', { deliveryTag: 1 })),
    ],
    'after an ack': [
      'state',
      declare,
      message,
      get,
      call('basic.ack', { deliveryTag: 1 }),
      call('basic.reject', { deliveryTag: 1, requeue: true }),
    ],
  }),
  ...many('basic.nack', {
    'a message of a stream': ['none', quiet, ...readOfStream, call('basic.nack', { deliveryTag: 1 })],
    'a message of a stream, back to it': [
      'none',
      quiet,
      ...readOfStream,
      call('basic.nack', { deliveryTag: 1, requeue: true }),
    ],
    'a message': ['none', declare, message, get, call('basic.nack', { deliveryTag: 1 })],
    'a tag that was not given': ['argument', call('basic.nack', { deliveryTag: 1, requeue: true })],
    'up to a tag that was not given': [
      'argument',
      call('basic.nack', { deliveryTag: 3, multiple: true, requeue: true }),
    ],
    'the tag 0': ['argument', call('basic.nack', { deliveryTag: 0 })],
    'all, where there are none': [
      'none',
      call('basic.nack', { deliveryTag: 0, multiple: true, requeue: true }),
    ],
    'on another channel': [
      'state',
      declare,
      message,
      get,
      channel2,
      on(2, call('basic.nack', { deliveryTag: 1 })),
    ],
  }),
  ...many('basic.recover', {
    'a message of a stream': ['none', quiet, ...readOfStream, call('basic.recover', { requeue: true })],
    'with requeue': ['none', declare, message, get, call('basic.recover', { requeue: true })],
    'with requeue, where there is nothing': ['none', call('basic.recover', { requeue: true })],
    'without requeue': ['argument', call('basic.recover')],
  }),
  ...many('basic.recover-async', {
    'with requeue': ['none', declare, message, get, call('basic.recover-async', { requeue: true })],
    'without requeue': ['argument', call('basic.recover-async')],
  }),
];
