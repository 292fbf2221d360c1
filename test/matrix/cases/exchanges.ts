import { type Case, call, many, type Step } from '../case.ts';

const declare = call('exchange.declare', { exchange: '~x', type: 'direct' });
const declareOther = call('exchange.declare', { exchange: '~y', type: 'fanout' });
const bind = call('exchange.bind', { source: '~x', destination: '~y', routingKey: 'k' });

function declareWith(args: object): Step {
  return call('exchange.declare', { exchange: '~x', type: 'direct', ...args });
}

export const exchangeCases: readonly Case[] = [
  ...many('exchange.declare', {
    'a new exchange': ['none', declare],
    'the same again': ['none', declare, declare],
    'passive: it is there': ['none', declare, declareWith({ passive: true })],
    'passive: it is there, all else differs': [
      'none',
      declare,
      declareWith({ passive: true, type: 'fanout', durable: true, internal: true, autoDelete: true }),
    ],
    'passive: it is there, the type is none': ['none', declare, declareWith({ passive: true, type: 'none' })],
    'passive: it is there, the type is empty': ['none', declare, declareWith({ passive: true, type: '' })],
    'passive: it is not there': ['missing', declareWith({ passive: true })],
    'passive and no-wait: it is not there': ['missing', declareWith({ passive: true, noWait: true })],
    'passive: the default exchange': ['argument', declareWith({ passive: true, exchange: '' })],
    'passive: a reserved name that is not there': [
      'missing',
      declareWith({ passive: true, exchange: 'amq.nothing' }),
    ],
    'the default exchange': ['argument', declareWith({ exchange: '' })],
    'the default exchange as it is': ['argument', declareWith({ exchange: '', durable: true })],
    'a reserved name': ['argument', declareWith({ exchange: 'amq.mine' })],
    'a reserved name that is there, as it is': [
      'none',
      declareWith({ exchange: 'amq.direct', durable: true }),
    ],
    'a reserved name that is there, with another type': [
      'argument',
      declareWith({ exchange: 'amq.direct', durable: true, type: 'fanout' }),
    ],
    'a reserved name that is there, not durable': ['argument', declareWith({ exchange: 'amq.direct' })],
    'a type that nobody knows': ['argument', declareWith({ type: 'special' })],
    'a type that nobody knows, of an exchange that is there': [
      'argument',
      declare,
      declareWith({ type: 'special' }),
    ],
    'no type': ['argument', declareWith({ type: '' })],
    'another type': ['argument', declare, declareWith({ type: 'topic' })],
    'durable differs': ['argument', declare, declareWith({ durable: true })],
    'auto-delete differs': ['argument', declare, declareWith({ autoDelete: true })],
    'internal differs': ['argument', declare, declareWith({ internal: true })],
    'an alternate exchange': ['none', declareWith({ arguments: { 'alternate-exchange': 'amq.fanout' } })],
    'an alternate exchange that is not there': [
      'none',
      declareWith({ arguments: { 'alternate-exchange': '~missing' } }),
    ],
    'an alternate exchange of a wrong type': [
      'argument',
      declareWith({ arguments: { 'alternate-exchange': 1 } }),
    ],
    'another alternate exchange': [
      'argument',
      declareWith({ arguments: { 'alternate-exchange': 'amq.fanout' } }),
      declareWith({ arguments: { 'alternate-exchange': 'amq.topic' } }),
    ],
    'an alternate exchange the second time': [
      'argument',
      declare,
      declareWith({ arguments: { 'alternate-exchange': 'amq.topic' } }),
    ],
    'an alternate exchange the first time only': [
      'argument',
      declareWith({ arguments: { 'alternate-exchange': 'amq.topic' } }),
      declare,
    ],
    'an argument that nobody knows, which differs': [
      'none',
      declareWith({ arguments: { 'x-unheard-of': 1 } }),
      declareWith({ arguments: { 'x-unheard-of': 2 } }),
    ],
    'the longest name': ['none', declareWith({ exchange: 'n'.repeat(255) })],
    'no-wait, another type': ['argument', declare, declareWith({ type: 'topic', noWait: true })],
  }),
  ...many('exchange.delete', {
    'one that is there': ['none', declare, call('exchange.delete', { exchange: '~x' })],
    'one that is not there': ['missing', call('exchange.delete', { exchange: '~x' })],
    'one that is not there, if unused': [
      'missing',
      call('exchange.delete', { exchange: '~x', ifUnused: true }),
    ],
    'one that is not there, no-wait': ['missing', call('exchange.delete', { exchange: '~x', noWait: true })],
    'if unused: a queue is bound': [
      'state',
      declare,
      call('queue.declare', { queue: '~q' }),
      call('queue.bind', { queue: '~q', exchange: '~x' }),
      call('exchange.delete', { exchange: '~x', ifUnused: true }),
    ],
    'if unused: an exchange is bound to it': [
      'state',
      declare,
      declareOther,
      bind,
      call('exchange.delete', { exchange: '~x', ifUnused: true }),
    ],
    'if unused: it is bound to another, which is no use': [
      'none',
      declare,
      declareOther,
      bind,
      call('exchange.delete', { exchange: '~y', ifUnused: true }),
    ],
    'the default exchange': ['argument', call('exchange.delete')],
    'a predeclared exchange': ['argument', call('exchange.delete', { exchange: 'amq.direct' })],
    'a reserved name that is not there': ['argument', call('exchange.delete', { exchange: 'amq.nothing' })],
    'amq.rabbitmq.trace': ['argument', call('exchange.delete', { exchange: 'amq.rabbitmq.trace' })],
    'no-wait, if unused: a queue is bound': [
      'state',
      declare,
      call('queue.declare', { queue: '~q' }),
      call('queue.bind', { queue: '~q', exchange: '~x' }),
      call('exchange.delete', { exchange: '~x', ifUnused: true, noWait: true }),
    ],
  }),
  ...many('exchange.bind', {
    'two exchanges': ['none', declare, declareOther, bind],
    'the same twice': ['none', declare, declareOther, bind, bind],
    'an exchange to itself': [
      'none',
      declare,
      call('exchange.bind', { source: '~x', destination: '~x', routingKey: 'k' }),
    ],
    'no source': ['missing', declareOther, bind],
    'no destination': ['missing', declare, bind],
    'neither of both': ['missing', bind],
    'the default exchange as source': ['argument', declare, call('exchange.bind', { destination: '~x' })],
    'the default exchange as destination': ['argument', declare, call('exchange.bind', { source: '~x' })],
    'the default exchange as both': ['argument', call('exchange.bind')],
    'predeclared exchanges': [
      'none',
      call('exchange.bind', { source: 'amq.topic', destination: 'amq.fanout', routingKey: '~k' }),
    ],
    'an x-match that is none': [
      'argument',
      declare,
      call('exchange.bind', { source: 'amq.headers', destination: '~x', arguments: { 'x-match': 'some' } }),
    ],
    'no-wait, no source': [
      'missing',
      declareOther,
      call('exchange.bind', { source: '~x', destination: '~y', noWait: true }),
    ],
    'a queue for the destination': [
      'missing',
      declare,
      call('queue.declare', { queue: '~q' }),
      call('exchange.bind', { source: '~x', destination: '~q' }),
    ],
  }),
  ...many('exchange.unbind', {
    'what is bound': [
      'none',
      declare,
      declareOther,
      bind,
      call('exchange.unbind', { source: '~x', destination: '~y', routingKey: 'k' }),
    ],
    'what is not bound': [
      'missing',
      declare,
      declareOther,
      call('exchange.unbind', { source: '~x', destination: '~y', routingKey: 'k' }),
    ],
    'no source': ['missing', declareOther, call('exchange.unbind', { source: '~x', destination: '~y' })],
    'no destination': ['missing', declare, call('exchange.unbind', { source: '~x', destination: '~y' })],
    'neither of both': ['missing', call('exchange.unbind', { source: '~x', destination: '~y' })],
    'the default exchange as source': ['argument', declare, call('exchange.unbind', { destination: '~x' })],
    'the default exchange as destination': ['argument', declare, call('exchange.unbind', { source: '~x' })],
  }),
];
