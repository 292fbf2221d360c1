import { by, type Case, call, many, publish, type Step } from '../case.ts';

const nothing = { user: 'matrix-nothing' } as const;
const noConfigure = { user: 'matrix-no-configure' } as const;
const noWrite = { user: 'matrix-no-write' } as const;
const noRead = { user: 'matrix-no-read' } as const;
const mine = { user: 'matrix-mine' } as const;
const topics = { user: 'matrix-topics' } as const;

/** Everything that is there is guest's. */
const queue = by('other', call('queue.declare', { queue: '~q' }));
const myQueue = by('other', call('queue.declare', { queue: '~q-mine' }));
const exchange = by('other', call('exchange.declare', { exchange: '~x', type: 'direct' }));
const myExchange = by('other', call('exchange.declare', { exchange: '~x-mine', type: 'direct' }));
const message = by('other', publish({ routingKey: '~q' }));

function declareQueue(name: string, args = {}): Step {
  return call('queue.declare', { queue: name, arguments: args });
}

function declareExchange(name: string, alternate?: string): Step {
  return call('exchange.declare', {
    exchange: name,
    type: 'direct',
    arguments: alternate === undefined ? {} : { 'alternate-exchange': alternate },
  });
}

const deadLettering = { 'x-dead-letter-exchange': '~x' };

export const permissionCases: readonly Case[] = [
  ...many('queue.declare', {
    'a new queue': ['permission', noConfigure, declareQueue('~q')],
    'one that is there': ['permission', noConfigure, queue, declareQueue('~q')],
    'one that is there, and differs': [
      'permission',
      noConfigure,
      queue,
      call('queue.declare', { queue: '~q', durable: true }),
    ],
    'passive, by one who may do nothing': [
      'permission',
      nothing,
      queue,
      call('queue.declare', { queue: '~q', passive: true }),
    ],
    'passive, what is not there, by one who may do nothing': [
      'permission',
      nothing,
      call('queue.declare', { queue: '~q', passive: true }),
    ],
    'a name that the server makes up': [
      'permission',
      noConfigure,
      call('queue.declare', { exclusive: true }),
    ],
    'a reserved name': ['permission', noConfigure, declareQueue('amq.mine')],
    'without the right to write': ['none', noWrite, declareQueue('~q')],
    'without the right to read': ['none', noRead, declareQueue('~q')],
    'with dead letters, without the right to read': ['permission', noRead, declareQueue('~q', deadLettering)],
    'with dead letters, without the right to write': [
      'permission',
      noWrite,
      declareQueue('~q', deadLettering),
    ],
    'with dead letters to an exchange of others': [
      'permission',
      mine,
      declareQueue('~q-mine', deadLettering),
    ],
    'with dead letters to the default exchange': [
      'permission',
      mine,
      declareQueue('~q-mine', { 'x-dead-letter-exchange': '' }),
    ],
    'with a wrong argument': ['permission', noConfigure, declareQueue('~q', { 'x-message-ttl': -1 })],
    'an exclusive queue of another': [
      'permission',
      noConfigure,
      by('other', call('queue.declare', { queue: '~q', exclusive: true })),
      declareQueue('~q'),
    ],
  }),
  ...many('queue.bind', {
    'a queue that may not be written': [
      'permission',
      noWrite,
      queue,
      call('queue.bind', { queue: '~q', exchange: 'amq.direct' }),
    ],
    'to an exchange that may not be read': [
      'permission',
      noRead,
      queue,
      call('queue.bind', { queue: '~q', exchange: 'amq.direct' }),
    ],
    'a queue of others': [
      'permission',
      mine,
      queue,
      myExchange,
      call('queue.bind', { queue: '~q', exchange: '~x-mine' }),
    ],
    'to an exchange of others': [
      'permission',
      mine,
      myQueue,
      exchange,
      call('queue.bind', { queue: '~q-mine', exchange: '~x' }),
    ],
    'both may be used': [
      'none',
      mine,
      myQueue,
      myExchange,
      call('queue.bind', { queue: '~q-mine', exchange: '~x-mine' }),
    ],
    'without the right to configure': [
      'none',
      noConfigure,
      queue,
      call('queue.bind', { queue: '~q', exchange: 'amq.direct' }),
    ],
    'a queue that is not there, and may not be written': [
      'permission',
      noWrite,
      call('queue.bind', { queue: '~q', exchange: 'amq.direct' }),
    ],
    'to an exchange that is not there, and may not be read': [
      'permission',
      noRead,
      queue,
      call('queue.bind', { queue: '~q', exchange: '~x' }),
    ],
    'to the default exchange': [
      'permission',
      nothing,
      queue,
      call('queue.bind', { queue: '~q', routingKey: 'k' }),
    ],
    'with a topic that may be read': [
      'none',
      topics,
      queue,
      call('queue.bind', { queue: '~q', exchange: 'amq.topic', routingKey: '/mine.a' }),
    ],
    'with a topic that may not be read': [
      'permission',
      topics,
      queue,
      call('queue.bind', { queue: '~q', exchange: 'amq.topic', routingKey: 'theirs.a' }),
    ],
    'with any key, of an exchange that has no topics': [
      'none',
      topics,
      queue,
      call('queue.bind', { queue: '~q', exchange: 'amq.direct', routingKey: 'theirs.a' }),
    ],
  }),
  ...many('queue.unbind', {
    'a queue that may not be written': [
      'permission',
      noWrite,
      queue,
      call('queue.unbind', { queue: '~q', exchange: 'amq.direct' }),
    ],
    'from an exchange that may not be read': [
      'permission',
      noRead,
      queue,
      call('queue.unbind', { queue: '~q', exchange: 'amq.direct' }),
    ],
    'from an exchange that is not there, and may not be read': [
      'permission',
      noRead,
      queue,
      call('queue.unbind', { queue: '~q', exchange: '~x' }),
    ],
    'a queue that is not there, and may not be written': [
      'permission',
      noWrite,
      call('queue.unbind', { queue: '~q', exchange: 'amq.direct' }),
    ],
    'with a topic that may not be read': [
      'permission',
      topics,
      queue,
      call('queue.unbind', { queue: '~q', exchange: 'amq.topic', routingKey: 'theirs.a' }),
    ],
  }),
  ...many('queue.purge', {
    'one that may not be read': ['permission', noRead, queue, call('queue.purge', { queue: '~q' })],
    'one that may only be read': ['none', noWrite, queue, message, call('queue.purge', { queue: '~q' })],
    'one that is not there, and may not be read': [
      'permission',
      noRead,
      call('queue.purge', { queue: '~q' }),
    ],
  }),
  ...many('queue.delete', {
    'one that may not be configured': [
      'permission',
      noConfigure,
      queue,
      call('queue.delete', { queue: '~q' }),
    ],
    'one that is not there, and may not be configured': [
      'permission',
      noConfigure,
      call('queue.delete', { queue: '~q' }),
    ],
    'one of others': ['permission', mine, queue, call('queue.delete', { queue: '~q' })],
  }),
  ...many('exchange.declare', {
    'a new exchange': ['permission', noConfigure, declareExchange('~x')],
    'one that is there': ['permission', noConfigure, exchange, declareExchange('~x')],
    'passive, by one who may do nothing': [
      'permission',
      nothing,
      exchange,
      call('exchange.declare', { exchange: '~x', type: 'direct', passive: true }),
    ],
    'a reserved name': ['permission', noConfigure, declareExchange('amq.mine')],
    'the default exchange': ['permission', noConfigure, declareExchange('')],
    'a type that nobody knows': [
      'permission',
      noConfigure,
      call('exchange.declare', { exchange: '~x', type: 'special' }),
    ],
    'with an alternate, without the right to read': [
      'permission',
      noRead,
      declareExchange('~x', 'amq.fanout'),
    ],
    'with an alternate, without the right to write': [
      'permission',
      noWrite,
      declareExchange('~x', 'amq.fanout'),
    ],
    'with an alternate of others': ['permission', mine, declareExchange('~x-mine', 'amq.fanout')],
    'one that is there with an alternate, without the right to read': [
      'permission',
      noRead,
      by('other', declareExchange('~x', 'amq.fanout')),
      declareExchange('~x', 'amq.fanout'),
    ],
  }),
  ...many('exchange.delete', {
    'one that may not be configured': [
      'permission',
      noConfigure,
      exchange,
      call('exchange.delete', { exchange: '~x' }),
    ],
    'one that is not there, and may not be configured': [
      'permission',
      noConfigure,
      call('exchange.delete', { exchange: '~x' }),
    ],
    'the default exchange': ['permission', nothing, call('exchange.delete')],
    'a predeclared exchange': ['permission', nothing, call('exchange.delete', { exchange: 'amq.direct' })],
  }),
  ...many('exchange.bind', {
    'a destination that may not be written': [
      'permission',
      noWrite,
      exchange,
      call('exchange.bind', { source: 'amq.direct', destination: '~x' }),
    ],
    'a source that may not be read': [
      'permission',
      noRead,
      exchange,
      call('exchange.bind', { source: 'amq.direct', destination: '~x' }),
    ],
    'neither is there, and neither may be used': [
      'permission',
      nothing,
      call('exchange.bind', { source: '~x', destination: '~y' }),
    ],
    'the default exchange as source': ['permission', nothing, call('exchange.bind', { destination: '~x' })],
    'with a topic that may not be read': [
      'permission',
      topics,
      exchange,
      call('exchange.bind', { source: 'amq.topic', destination: '~x', routingKey: 'theirs.a' }),
    ],
  }),
  ...many('exchange.unbind', {
    'a destination that may not be written': [
      'permission',
      noWrite,
      exchange,
      call('exchange.unbind', { source: 'amq.direct', destination: '~x' }),
    ],
    'a source that may not be read': [
      'permission',
      noRead,
      exchange,
      call('exchange.unbind', { source: 'amq.direct', destination: '~x' }),
    ],
  }),
  ...many('basic.consume', {
    'a queue that may not be read': ['permission', noRead, queue, call('basic.consume', { queue: '~q' })],
    'a queue that may only be read': [
      'none',
      noWrite,
      queue,
      call('basic.consume', { queue: '~q', consumerTag: 't' }),
    ],
    'one that is not there, and may not be read': [
      'permission',
      noRead,
      call('basic.consume', { queue: '~q' }),
    ],
    'an exclusive queue of another, that may not be read': [
      'permission',
      noRead,
      by('other', call('queue.declare', { queue: '~q', exclusive: true })),
      call('basic.consume', { queue: '~q' }),
    ],
    'direct replies, by one who may do nothing': [
      'none',
      nothing,
      call('basic.consume', { queue: 'amq.rabbitmq.reply-to', noAck: true, consumerTag: 't' }),
    ],
  }),
  ...many('basic.get', {
    'of a queue that may not be read': ['permission', noRead, queue, call('basic.get', { queue: '~q' })],
    'of one that is not there, and may not be read': [
      'permission',
      noRead,
      call('basic.get', { queue: '~q' }),
    ],
  }),
  ...many('basic.publish', {
    'to an exchange that may not be written': ['permission', noWrite, publish({ exchange: 'amq.direct' })],
    'to one that is not there, and may not be written': ['permission', noWrite, publish({ exchange: '~x' })],
    'to the default exchange, which may not be written': [
      'permission',
      noWrite,
      queue,
      publish({ routingKey: '~q' }),
    ],
    'to the default exchange, by one who may write only what is his': [
      'permission',
      mine,
      myQueue,
      publish({ routingKey: '~q-mine' }),
    ],
    'to an exchange that may be written': ['none', mine, myExchange, publish({ exchange: '~x-mine' })],
    'with confirms, to an exchange that may not be written': [
      'permission',
      noWrite,
      call('confirm.select'),
      publish({ exchange: 'amq.direct' }),
    ],
    'to an internal exchange that may not be written': [
      'permission',
      noWrite,
      publish({ exchange: 'amq.rabbitmq.trace' }),
    ],
    'with a topic that may be written': [
      'none',
      topics,
      publish({ exchange: 'amq.topic', routingKey: 'matrix-topics.a' }),
    ],
    'with a topic that may not be written': [
      'permission',
      topics,
      publish({ exchange: 'amq.topic', routingKey: 'theirs.a' }),
    ],
    'with a topic to another topic exchange': [
      'none',
      topics,
      by('other', call('exchange.declare', { exchange: '~t', type: 'topic' })),
      publish({ exchange: '~t', routingKey: 'theirs.a' }),
    ],
    "with another's user-id, by an impersonator": [
      'none',
      { user: 'matrix-impersonator' },
      publish({ properties: { userId: 'somebody' } }),
    ],
    'by one who may do nothing': ['permission', nothing, publish({ exchange: 'amq.fanout' })],
  }),
  ...many('channel.open', { 'by one who may do nothing': ['none', nothing, call('tx.select')] }),
];
