import { action, by, type Case, call, frame, many, propertyBytes, publish, type Step } from '../case.ts';

const declare = call('queue.declare', { queue: '~q' });
const message = publish({ routingKey: '~q' });
const ofAnother: Step = by('other', call('queue.declare', { queue: '~q', exclusive: true }));

function full(queue: string): Step {
  return call('queue.declare', { queue, arguments: { 'x-max-length': 0, 'x-overflow': 'reject-publish' } });
}

/** The head of a basic.publish to a queue, for frames that do not go on as they should. */
const head: Step = { ...action(call('basic.publish', { routingKey: 'nowhere' })), isPart: true };
const header = (size: number, classId = 60, flags = [0, 0]) =>
  frame(2, Buffer.from([0, classId, 0, 0, 0, 0, 0, 0, 0, 0, 0, size, ...flags]));
const quiet = { untilQuiet: true } as const;

export const publishingCases: readonly Case[] = [
  ...many('basic.publish', {
    'to a queue': ['none', declare, message],
    'no exchange of this name': ['missing', publish({ exchange: '~x' })],
    'no exchange of this name, mandatory': ['missing', publish({ exchange: '~x', mandatory: true })],
    'no exchange of this name, with confirms': [
      'missing',
      call('confirm.select'),
      publish({ exchange: '~x' }),
    ],
    'no exchange of this name, in a transaction': ['missing', call('tx.select'), publish({ exchange: '~x' })],
    'no queue for it': ['none', publish({ routingKey: '~q' })],
    'no queue for it, mandatory': ['none', publish({ routingKey: '~q', mandatory: true })],
    'no queue for it, mandatory, with confirms': [
      'none',
      { awaits: 'basic.ack' },
      call('confirm.select'),
      publish({ routingKey: '~q', mandatory: true }),
    ],
    'no queue for it, mandatory, in a transaction': [
      'none',
      call('tx.select'),
      publish({ routingKey: '~q', mandatory: true }),
      call('tx.commit'),
    ],
    'no queue for it, in a transaction that is taken back': [
      'none',
      call('tx.select'),
      publish({ routingKey: '~q', mandatory: true }),
      call('tx.rollback'),
    ],
    immediate: ['argument', quiet, declare, publish({ routingKey: '~q', immediate: true })],
    'with confirms': ['none', { awaits: 'basic.ack' }, declare, call('confirm.select'), message],
    'to an internal exchange': [
      'argument',
      call('exchange.declare', { exchange: '~x', type: 'fanout', internal: true }),
      publish({ exchange: '~x' }),
    ],
    'to amq.rabbitmq.trace': ['argument', publish({ exchange: 'amq.rabbitmq.trace' })],
    'to an exclusive queue of another connection': ['none', ofAnother, message],
    'with the own user-id': ['none', declare, publish({ routingKey: '~q', properties: { userId: 'guest' } })],
    "with another's user-id": ['argument', publish({ routingKey: '~q', properties: { userId: 'nobody' } })],
    'with an empty user-id': ['argument', publish({ routingKey: '~q', properties: { userId: '' } })],
    'with an expiration': [
      'none',
      declare,
      publish({ routingKey: '~q', properties: { expiration: '60000' } }),
    ],
    'with an expiration that is no number': [
      'argument',
      publish({ routingKey: '~q', properties: { expiration: 'soon' } }),
    ],
    'with an expiration below zero': [
      'argument',
      publish({ routingKey: '~q', properties: { expiration: '-1' } }),
    ],
    'with an empty expiration': ['argument', publish({ routingKey: '~q', properties: { expiration: '' } })],
    'with an expiration that is no integer': [
      'argument',
      publish({ routingKey: '~q', properties: { expiration: '1.5' } }),
    ],
    'with an expiration with a space': [
      'argument',
      publish({ routingKey: '~q', properties: { expiration: '100 ' } }),
    ],
    'with a signed expiration': [
      'argument',
      publish({ routingKey: '~q', properties: { expiration: '+100' } }),
    ],
    'with an expiration that is too large': [
      'argument',
      publish({ routingKey: '~q', properties: { expiration: '4294967296' } }),
    ],
    'with an expiration that is very large': [
      'argument',
      publish({ routingKey: '~q', properties: { expiration: '99999999999999999999' } }),
    ],
    'with a wrong expiration, with confirms': [
      'argument',
      call('confirm.select'),
      publish({ routingKey: '~q', properties: { expiration: 'soon' } }),
    ],
    'with a delivery mode that is none': [
      'argument',
      declare,
      publish({ routingKey: '~q', properties: { deliveryMode: 7 } }),
    ],
    'with the delivery mode 0': [
      'argument',
      declare,
      publish({ routingKey: '~q', properties: { deliveryMode: 0 } }),
    ],
    'with the delivery mode 3': [
      'argument',
      declare,
      publish({ routingKey: '~q', properties: { deliveryMode: 3 } }),
    ],
    'with the delivery mode 255': [
      'argument',
      declare,
      publish({ routingKey: '~q', properties: { deliveryMode: 255 } }),
    ],
    'with a priority': ['none', declare, publish({ routingKey: '~q', properties: { priority: 255 } })],
    'with CC': [
      'none',
      declare,
      publish({ routingKey: 'nowhere', mandatory: true, properties: { headers: { CC: ['nowhere2'] } } }),
    ],
    'with CC to a queue, so that nothing comes back': [
      'none',
      declare,
      publish({ routingKey: 'nowhere', mandatory: true, properties: { headers: { CC: ['also-nowhere'] } } }),
    ],
    'with CC that is a string': ['argument', publish({ properties: { headers: { CC: 'k' } } })],
    'with CC that is a number': ['argument', publish({ properties: { headers: { CC: 1 } } })],
    'with CC of numbers': ['argument', publish({ properties: { headers: { CC: [1] } } })],
    'with BCC that is a string': ['argument', publish({ properties: { headers: { BCC: 'k' } } })],
    'with BCC': ['none', publish({ properties: { headers: { BCC: ['k'] } } })],
    'with reply-to of direct replies, without a consumer': [
      'state',
      publish({ properties: { replyTo: 'amq.rabbitmq.reply-to' } }),
    ],
    'with reply-to of direct replies': [
      'none',
      call('basic.consume', { queue: 'amq.rabbitmq.reply-to', noAck: true }),
      publish({ properties: { replyTo: 'amq.rabbitmq.reply-to' } }),
    ],
    'to a direct reply that nobody waits for': [
      'missing',
      publish({ routingKey: 'amq.rabbitmq.reply-to.nobody', mandatory: true }),
    ],
    'to the queue of direct replies itself': [
      'missing',
      publish({ routingKey: 'amq.rabbitmq.reply-to', mandatory: true }),
    ],
    'to a full queue that rejects, with confirms': [
      'state',
      { awaits: 'basic.nack' },
      full('~q'),
      call('confirm.select'),
      message,
    ],
    'to a full queue that rejects, and to one that is not full, with confirms': [
      'state',
      { awaits: 'basic.nack' },
      full('~f'),
      call('queue.bind', { queue: '~f', exchange: 'amq.direct', routingKey: '~k' }),
      declare,
      call('queue.bind', { queue: '~q', exchange: 'amq.direct', routingKey: '~k' }),
      call('confirm.select'),
      publish({ exchange: 'amq.direct', routingKey: '~k' }),
    ],
    'to a full queue that rejects, without confirms': ['state', full('~q'), message],
    'to a full queue that rejects, in a transaction': [
      'state',
      { awaits: 'tx.commit-ok' },
      full('~q'),
      call('tx.select'),
      message,
      call('tx.commit'),
    ],
    'to a full queue that drops its head, with confirms': [
      'none',
      { awaits: 'basic.ack' },
      call('queue.declare', { queue: '~q', arguments: { 'x-max-length': 0 } }),
      call('confirm.select'),
      message,
    ],
    'what expires at once, mandatory, with confirms': [
      'none',
      { awaits: 'basic.ack' },
      declare,
      call('confirm.select'),
      publish({ routingKey: '~q', mandatory: true, properties: { expiration: '0' } }),
    ],
    'to an exchange with an alternate that is not there, mandatory': [
      'missing',
      call('exchange.declare', {
        exchange: '~x',
        type: 'direct',
        arguments: { 'alternate-exchange': '~y' },
      }),
      publish({ exchange: '~x', mandatory: true }),
    ],
    'without content, then another method': ['state', head, call('basic.qos')],
    'without content, then another publish': ['state', quiet, head, head],
    'without content, then a close': ['state', head, call('channel.close', { replyCode: 200 })],
    'a body where its header is due': ['state', quiet, head, frame(3, 'body')],
    'a header without a publish': ['state', quiet, header(0)],
    'a body without a publish': ['state', quiet, frame(3, 'body')],
    'a second header': ['state', quiet, head, header(4), header(4)],
    'a method where the body is due': ['state', head, header(4), call('basic.qos')],
    'a body that is longer than announced': ['argument', quiet, head, header(4), frame(3, 'too long')],
    'a body in pieces, the last longer than announced': [
      'argument',
      quiet,
      head,
      header(4),
      frame(3, 'abc'),
      frame(3, 'de'),
    ],
    'an empty body frame where four octets are due': [
      'none',
      quiet,
      head,
      header(4),
      frame(3, ''),
      frame(3, 'body'),
    ],
    'a body frame after an empty body': ['state', quiet, head, header(0), frame(3, '')],
    'a header of another class': ['argument', quiet, head, header(4, 50)],
    'a header that is too short': ['argument', quiet, head, frame(2, Buffer.from([0, 60, 0, 0, 0]))],
    'a header with a weight': [
      'argument',
      quiet,
      head,
      frame(2, Buffer.from([0, 60, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])),
    ],
    'a header with flags for properties that do not exist': ['argument', quiet, head, header(0, 60, [0, 2])],
    'a header with flags that go on': ['argument', quiet, head, header(0, 60, [0, 1, 0, 0])],
    'a header with a property that is missing': ['argument', quiet, head, header(0, 60, [0x80, 0])],
    'a header with octets after its properties': ['argument', quiet, head, header(0, 60, [0, 0, 1, 2, 3])],
    'a header table that ends too early': [
      'argument',
      quiet,
      head,
      header(0, 60, [0x20, 0, 0, 0, 0, 9, 1, 0x61, 0x53]),
    ],
    'a header table with a type that is none': [
      'argument',
      quiet,
      head,
      header(0, 60, [0x20, 0, 0, 0, 0, 3, 1, 0x61, 0x3f]),
    ],
    'a huge body announced': [
      'argument',
      quiet,
      head,
      frame(2, Buffer.concat([Buffer.from([0, 60, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0]), propertyBytes({})])),
    ],
    'a body announced that no number holds': [
      'argument',
      quiet,
      head,
      frame(2, Buffer.concat([Buffer.from([0, 60, 0, 0]), Buffer.alloc(8, 0xff), propertyBytes({})])),
    ],
  }),
];
