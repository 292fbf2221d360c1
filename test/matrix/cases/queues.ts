import type { Value } from '../../../src/base/value.ts';
import { by, type Case, call, many, on, publish, type Step } from '../case.ts';

const declare = call('queue.declare', { queue: '~q' });
const message = publish({ routingKey: '~q' });
const ofAnother: Step = by('other', call('queue.declare', { queue: '~q', exclusive: true }));

const longName = 'n'.repeat(255);

function declareWith(args: Record<string, Value>, options = {}): Step {
  return call('queue.declare', { queue: '~q', arguments: args, ...options });
}

/** Arguments that RabbitMQ checks, with what is good, what is bad, and another good one. */
const ARGUMENTS: readonly (readonly [key: string, good: Value, other: Value, bad: readonly Value[]])[] = [
  ['x-message-ttl', 60_000, 50_000, [-1, 2 ** 40, 'soon', '60000', 1.5, true, null]],
  ['x-expires', 60_000, 50_000, [0, -1, 2 ** 40, '60000', 1.5, false]],
  ['x-max-length', 10, 20, [-1, '10', 1.5, true, 2 ** 40]],
  ['x-max-length-bytes', 1000, 2000, [-1, '1000', 1.5, true]],
  ['x-max-priority', 10, 5, [-1, 256, 1000, '10', 1.5, true]],
  ['x-overflow', 'drop-head', 'reject-publish', ['drop-tail', '', 1, true]],
  ['x-dead-letter-exchange', 'amq.fanout', 'amq.topic', [1, true, null]],
  ['x-single-active-consumer', true, false, ['true', 1]],
  ['x-queue-mode', 'lazy', 'default', ['eager', 1]],
  ['x-queue-type', 'classic', 'quorum', ['special', 1]],
  ['x-queue-master-locator', 'min-masters', 'client-local', ['nowhere', 1]],
  ['x-queue-version', 2, 1, [3, 'two']],
];

function argumentCases(): Case[] {
  return ARGUMENTS.flatMap(([key, good, other, bad]) => [
    one('argument', `${key}: the same again`, [declareWith({ [key]: good }), declareWith({ [key]: good })]),
    one('argument', `${key}: another value`, [declareWith({ [key]: good }), declareWith({ [key]: other })]),
    one('argument', `${key}: the second time without`, [declareWith({ [key]: good }), declare]),
    one('argument', `${key}: the second time with`, [declare, declareWith({ [key]: good })]),
    ...bad.map((value) =>
      one('argument', `${key}: ${JSON.stringify(value)}`, [declareWith({ [key]: value })]),
    ),
  ]);
}

function one(wrong: Case['wrong'], title: string, steps: readonly Step[]): Case {
  return { method: 'queue.declare', wrong, title, steps };
}

export const queueCases: readonly Case[] = [
  ...many('queue.declare', {
    'a new queue': ['none', declare],
    'with a name that the server makes up': ['none', call('queue.declare', { exclusive: true })],
    'the same again': ['none', declare, message, declare],
    'passive: it is there': ['none', declare, message, call('queue.declare', { queue: '~q', passive: true })],
    'passive: it is there, the flags differ': [
      'none',
      declare,
      call('queue.declare', { queue: '~q', passive: true, durable: true, exclusive: true }),
    ],
    'passive: it is not there': ['missing', call('queue.declare', { queue: '~q', passive: true })],
    'passive: no name, and none was declared before': ['missing', call('queue.declare', { passive: true })],
    'passive: no name, one was declared before': ['none', declare, call('queue.declare', { passive: true })],
    'passive: a reserved name that is not there': [
      'missing',
      call('queue.declare', { queue: 'amq.nothing', passive: true }),
    ],
    'passive and no-wait: it is not there': [
      'missing',
      call('queue.declare', { queue: '~q', passive: true, noWait: true }),
    ],
    'a reserved name': ['argument', call('queue.declare', { queue: 'amq.mine' })],
    'a reserved name, no-wait': ['argument', call('queue.declare', { queue: 'amq.mine', noWait: true })],
    'the longest name': ['none', call('queue.declare', { queue: longName, exclusive: true })],
    'a name with a line break': ['none', call('queue.declare', { queue: '~a\nb', exclusive: true })],
    'durable differs': ['argument', declare, call('queue.declare', { queue: '~q', durable: true })],
    'auto-delete differs': ['argument', declare, call('queue.declare', { queue: '~q', autoDelete: true })],
    'exclusive differs': ['argument', declare, call('queue.declare', { queue: '~q', exclusive: true })],
    'not exclusive, where it is, by its owner': [
      'argument',
      call('queue.declare', { queue: '~q', exclusive: true }),
      declare,
    ],
    'exclusive, of another connection': ['state', ofAnother, declare],
    'exclusive, of another connection, passive': [
      'state',
      ofAnother,
      call('queue.declare', { queue: '~q', passive: true }),
    ],
    'exclusive, of another connection, which differs in durable too': [
      'state',
      ofAnother,
      call('queue.declare', { queue: '~q', durable: true }),
    ],
    'exclusive, of a connection that has ended': [
      'missing',
      ofAnother,
      by('other', { cuts: true }),
      { pauseMs: 100 },
      call('queue.declare', { queue: '~q', passive: true }),
    ],
    'an argument that nobody knows': ['none', declareWith({ 'x-unheard-of': 1 })],
    'an argument that nobody knows, which differs': [
      'none',
      declareWith({ 'x-unheard-of': 1 }),
      declareWith({ 'x-unheard-of': 2 }),
    ],
    'a dead-letter routing key without an exchange': [
      'argument',
      declareWith({ 'x-dead-letter-routing-key': 'k' }),
    ],
    'a dead-letter routing key that is no string': [
      'argument',
      declareWith({ 'x-dead-letter-exchange': 'amq.fanout', 'x-dead-letter-routing-key': 1 }),
    ],
    'a dead-letter routing key': [
      'none',
      declareWith({ 'x-dead-letter-exchange': 'amq.fanout', 'x-dead-letter-routing-key': 'k' }),
    ],
    'a dead-letter exchange that is not there': [
      'none',
      declareWith({ 'x-dead-letter-exchange': '~missing' }),
    ],
    'the default exchange for dead letters': ['none', declareWith({ 'x-dead-letter-exchange': '' })],
    'reject-publish-dlx': ['none', declareWith({ 'x-max-length': 1, 'x-overflow': 'reject-publish-dlx' })],
    'priorities with the most that there are': ['none', declareWith({ 'x-max-priority': 255 })],
    'priorities, none of them': ['none', declareWith({ 'x-max-priority': 0 })],
    'a time to live of nothing': ['none', declareWith({ 'x-message-ttl': 0 })],
    'the longest time to live': ['none', declareWith({ 'x-message-ttl': 4_294_967_295 })],
    'a time to live beyond the longest': ['argument', declareWith({ 'x-message-ttl': 4_294_967_296 })],
    'a length of nothing': ['none', declareWith({ 'x-max-length': 0 })],
    'a quorum queue': ['none', declareWith({ 'x-queue-type': 'quorum' }, { durable: true })],
    'a quorum queue that is not durable': ['argument', declareWith({ 'x-queue-type': 'quorum' })],
    'a quorum queue that is exclusive': [
      'argument',
      declareWith({ 'x-queue-type': 'quorum' }, { durable: true, exclusive: true }),
    ],
    'a quorum queue that deletes itself': [
      'argument',
      declareWith({ 'x-queue-type': 'quorum' }, { durable: true, autoDelete: true }),
    ],
    'a quorum queue with priorities': [
      'argument',
      declareWith({ 'x-queue-type': 'quorum', 'x-max-priority': 5 }, { durable: true }),
    ],
    'a quorum queue with a delivery limit': [
      'none',
      declareWith({ 'x-queue-type': 'quorum', 'x-delivery-limit': 5 }, { durable: true }),
    ],
    'a quorum queue with a delivery limit below zero': [
      'argument',
      declareWith({ 'x-queue-type': 'quorum', 'x-delivery-limit': -1 }, { durable: true }),
    ],
    'a delivery limit without a quorum queue': ['argument', declareWith({ 'x-delivery-limit': 5 })],
    'at-least-once without what it needs': [
      'none',
      declareWith(
        {
          'x-queue-type': 'quorum',
          'x-dead-letter-exchange': 'amq.fanout',
          'x-dead-letter-strategy': 'at-least-once',
        },
        { durable: true },
      ),
    ],
    'a dead-letter strategy that is none': [
      'argument',
      declareWith({ 'x-queue-type': 'quorum', 'x-dead-letter-strategy': 'often' }, { durable: true }),
    ],
    'a quorum queue again, exclusive': [
      'argument',
      declareWith({ 'x-queue-type': 'quorum' }, { durable: true }),
      declareWith({ 'x-queue-type': 'quorum' }, { durable: true, exclusive: true }),
    ],
    'a stream': ['none', declareWith({ 'x-queue-type': 'stream' }, { durable: true })],
    'a stream that is exclusive': [
      'argument',
      declareWith({ 'x-queue-type': 'stream' }, { durable: true, exclusive: true }),
    ],
    'a stream again, exclusive': [
      'argument',
      declareWith({ 'x-queue-type': 'stream' }, { durable: true }),
      declareWith({ 'x-queue-type': 'stream' }, { durable: true, exclusive: true }),
    ],
    'a stream again, exclusive and not durable': [
      'argument',
      declareWith({ 'x-queue-type': 'stream' }, { durable: true }),
      declareWith({ 'x-queue-type': 'stream' }, { exclusive: true }),
    ],
    'a stream again, exclusive and with auto-delete': [
      'argument',
      declareWith({ 'x-queue-type': 'stream' }, { durable: true }),
      declareWith({ 'x-queue-type': 'stream' }, { durable: true, exclusive: true, autoDelete: true }),
    ],
    'a classic queue, exclusive, where a stream is': [
      'argument',
      declareWith({ 'x-queue-type': 'stream' }, { durable: true }),
      declareWith({}, { durable: true, exclusive: true }),
    ],
    'a classic queue, not durable, where a stream is': [
      'argument',
      declareWith({ 'x-queue-type': 'stream' }, { durable: true }),
      declareWith({}),
    ],
    'a classic queue, durable, where a stream is': [
      'argument',
      declareWith({ 'x-queue-type': 'stream' }, { durable: true }),
      declareWith({}, { durable: true }),
    ],
    'a stream again, not durable': [
      'argument',
      declareWith({ 'x-queue-type': 'stream' }, { durable: true }),
      declareWith({ 'x-queue-type': 'stream' }),
    ],
    'a stream again, with auto-delete': [
      'argument',
      declareWith({ 'x-queue-type': 'stream' }, { durable: true }),
      declareWith({ 'x-queue-type': 'stream' }, { durable: true, autoDelete: true }),
    ],
    'quorum, where it is classic': [
      'argument',
      call('queue.declare', { queue: '~q', durable: true }),
      declareWith({ 'x-queue-type': 'quorum' }, { durable: true }),
    ],
    'quorum with an overflow that it cannot have': [
      'argument',
      declareWith({ 'x-queue-type': 'quorum', 'x-overflow': 'reject-publish-dlx' }, { durable: true }),
    ],
    'the queue of direct replies, passive': [
      'none',
      call('queue.declare', { queue: 'amq.rabbitmq.reply-to', passive: true }),
    ],
    'the queue of direct replies': ['argument', call('queue.declare', { queue: 'amq.rabbitmq.reply-to' })],
    'no-wait': ['none', call('queue.declare', { queue: '~q', noWait: true })],
  }),
  ...argumentCases(),
  ...many('queue.bind', {
    'to an exchange': [
      'none',
      declare,
      call('queue.bind', { queue: '~q', exchange: 'amq.direct', routingKey: 'k' }),
    ],
    'the same twice': [
      'none',
      declare,
      call('queue.bind', { queue: '~q', exchange: 'amq.direct', routingKey: 'k' }),
      call('queue.bind', { queue: '~q', exchange: 'amq.direct', routingKey: 'k' }),
    ],
    'no queue of this name': ['missing', call('queue.bind', { queue: '~q', exchange: 'amq.direct' })],
    'no exchange of this name': ['missing', declare, call('queue.bind', { queue: '~q', exchange: '~x' })],
    'neither queue nor exchange': ['missing', call('queue.bind', { queue: '~q', exchange: '~x' })],
    'no name, and none was declared before': ['missing', call('queue.bind', { exchange: 'amq.direct' })],
    'no name, one was declared before': ['none', declare, call('queue.bind', { exchange: 'amq.direct' })],
    'to the default exchange': ['argument', declare, call('queue.bind', { queue: '~q', routingKey: 'k' })],
    'to the default exchange, no queue of this name': [
      'argument',
      call('queue.bind', { queue: '~q', routingKey: 'k' }),
    ],
    'an exclusive queue of another connection': [
      'state',
      ofAnother,
      call('queue.bind', { queue: '~q', exchange: 'amq.direct' }),
    ],
    'to an internal exchange': [
      'none',
      declare,
      call('exchange.declare', { exchange: '~x', type: 'fanout', internal: true, autoDelete: true }),
      call('queue.bind', { queue: '~q', exchange: '~x' }),
    ],
    'to amq.rabbitmq.trace': [
      'none',
      declare,
      call('queue.bind', { queue: '~q', exchange: 'amq.rabbitmq.trace', routingKey: 'publish.#' }),
    ],
    'headers without x-match': [
      'none',
      declare,
      call('queue.bind', { queue: '~q', exchange: 'amq.headers', arguments: { a: 1 } }),
    ],
    'headers with an x-match that is none': [
      'argument',
      declare,
      call('queue.bind', { queue: '~q', exchange: 'amq.headers', arguments: { 'x-match': 'some' } }),
    ],
    'headers with an x-match of a wrong type': [
      'argument',
      declare,
      call('queue.bind', { queue: '~q', exchange: 'amq.headers', arguments: { 'x-match': 1 } }),
    ],
    'headers with all-with-x': [
      'none',
      declare,
      call('queue.bind', { queue: '~q', exchange: 'amq.headers', arguments: { 'x-match': 'all-with-x' } }),
    ],
    'no-wait, no exchange of this name': [
      'missing',
      declare,
      call('queue.bind', { queue: '~q', exchange: '~x', noWait: true }),
    ],
    'the queue of direct replies': [
      'state',
      call('queue.bind', { queue: 'amq.rabbitmq.reply-to', exchange: 'amq.direct' }),
    ],
  }),
  ...many('queue.unbind', {
    'what is bound': [
      'none',
      declare,
      call('queue.bind', { queue: '~q', exchange: 'amq.direct', routingKey: 'k' }),
      call('queue.unbind', { queue: '~q', exchange: 'amq.direct', routingKey: 'k' }),
    ],
    'what is not bound': ['missing', declare, call('queue.unbind', { queue: '~q', exchange: 'amq.direct' })],
    'no queue of this name': ['missing', call('queue.unbind', { queue: '~q', exchange: 'amq.direct' })],
    'no exchange of this name': ['missing', declare, call('queue.unbind', { queue: '~q', exchange: '~x' })],
    'no name, and none was declared before': ['missing', call('queue.unbind', { exchange: 'amq.direct' })],
    'from the default exchange': [
      'argument',
      declare,
      call('queue.unbind', { queue: '~q', routingKey: '~q' }),
    ],
    'an exclusive queue of another connection': [
      'state',
      ofAnother,
      by('other', call('queue.bind', { queue: '~q', exchange: 'amq.direct', routingKey: 'k' })),
      call('queue.unbind', { queue: '~q', exchange: 'amq.direct', routingKey: 'k' }),
    ],
    'an exclusive queue of another connection that is not bound': [
      'state',
      ofAnother,
      call('queue.unbind', { queue: '~q', exchange: 'amq.direct', routingKey: 'k' }),
    ],
  }),
  ...many('queue.purge', {
    'two messages': ['none', declare, message, message, call('queue.purge', { queue: '~q' })],
    'what is not acknowledged stays': [
      'none',
      declare,
      message,
      message,
      call('basic.get', { queue: '~q' }),
      call('queue.purge', { queue: '~q' }),
    ],
    'no queue of this name': ['missing', call('queue.purge', { queue: '~q' })],
    'no name, and none was declared before': ['missing', call('queue.purge')],
    'no name, one was declared before': ['none', declare, call('queue.purge')],
    'no name, but on another channel': [
      'missing',
      declare,
      on(2, call('channel.open')),
      on(2, call('queue.purge')),
    ],
    'no-wait, no queue of this name': ['missing', call('queue.purge', { queue: '~q', noWait: true })],
    'an exclusive queue of another connection': ['state', ofAnother, call('queue.purge', { queue: '~q' })],
  }),
  ...many('queue.delete', {
    'with a message': ['none', declare, message, call('queue.delete', { queue: '~q' })],
    'no queue of this name': ['missing', call('queue.delete', { queue: '~q' })],
    'no queue of this name, if unused and if empty': [
      'missing',
      call('queue.delete', { queue: '~q', ifUnused: true, ifEmpty: true }),
    ],
    'no name, and none was declared before': ['missing', call('queue.delete')],
    'no name, one was declared before': ['none', declare, call('queue.delete')],
    'no name, the one declared before was deleted': [
      'none',
      declare,
      call('queue.delete'),
      call('queue.delete'),
    ],
    'if unused: it is used': [
      'state',
      declare,
      call('basic.consume', { queue: '~q', consumerTag: 't' }),
      call('queue.delete', { queue: '~q', ifUnused: true }),
    ],
    'if unused: it is bound, which is no use': [
      'none',
      declare,
      call('queue.bind', { queue: '~q', exchange: 'amq.direct' }),
      call('queue.delete', { queue: '~q', ifUnused: true }),
    ],
    'if empty: it is not': ['state', declare, message, call('queue.delete', { queue: '~q', ifEmpty: true })],
    'if empty: all is unacknowledged': [
      'state',
      declare,
      message,
      call('basic.get', { queue: '~q' }),
      call('queue.delete', { queue: '~q', ifEmpty: true }),
    ],
    'if unused and if empty: neither': [
      'state',
      declare,
      call('basic.consume', { queue: '~q', consumerTag: 't', noAck: true }),
      call('queue.delete', { queue: '~q', ifUnused: true, ifEmpty: true }),
    ],
    'no-wait, if empty: it is not': [
      'state',
      declare,
      message,
      call('queue.delete', { queue: '~q', ifEmpty: true, noWait: true }),
    ],
    'an exclusive queue of another connection': ['state', ofAnother, call('queue.delete', { queue: '~q' })],
    'an exclusive queue of another connection, if empty': [
      'state',
      ofAnother,
      by('other', message),
      call('queue.delete', { queue: '~q', ifEmpty: true }),
    ],
    'the queue of direct replies': ['state', call('queue.delete', { queue: 'amq.rabbitmq.reply-to' })],
    'a reserved name that is not there': ['missing', call('queue.delete', { queue: 'amq.nothing' })],
  }),
];
