import { PROTOCOL_HEADER } from '../../../src/wire/amqp091/constants.ts';
import { bytes, type Case, call, frame, many, on, rawMethod, type Step } from '../case.ts';
import { startOk } from '../run-case.ts';

const header: Step = { frames: () => Buffer.from(PROTOCOL_HEADER) };
const quiet = { untilQuiet: true } as const;
const refused = { stage: 'started', awaits: 'connection.close' } as const;
const open = { stage: 'open' } as const;
const close = call('channel.close', { replyCode: 200 });

export const sessionCases: readonly Case[] = [
  ...many('connection.start-ok', {
    'what the server waits for': [
      'none',
      { stage: 'started', awaits: 'connection.tune' },
      on(0, startOk('guest', {})),
    ],
    'a wrong password': [
      'argument',
      refused,
      on(0, startOk('guest', { authentication_failure_close: true }, 'wrong')),
    ],
    'a user that is not there': [
      'missing',
      refused,
      on(0, startOk('~nobody', { authentication_failure_close: true })),
    ],
    'no user': ['argument', refused, on(0, startOk('', { authentication_failure_close: true }))],
    'a mechanism that is none': [
      'argument',
      { stage: 'started' },
      on(0, call('connection.start-ok', { mechanism: 'SPECIAL', locale: 'en_US' })),
    ],
    'a response without its zeros': [
      'argument',
      { stage: 'started' },
      on(
        0,
        call('connection.start-ok', {
          mechanism: 'PLAIN',
          response: Buffer.from('guest'),
          locale: 'en_US',
          clientProperties: { capabilities: { authentication_failure_close: true } },
        }),
      ),
    ],
    'a second time': ['state', { stage: 'authenticated' }, on(0, startOk('guest', {}))],
    'on a connection that is open': ['state', open, on(0, startOk('guest', {}))],
  }),
  ...many('connection.secure-ok', {
    'that nobody waits for': ['state', { stage: 'started' }, on(0, call('connection.secure-ok'))],
    'on a connection that is open': ['state', open, on(0, call('connection.secure-ok'))],
  }),
  ...many('connection.tune-ok', {
    'before start-ok': ['state', { stage: 'started' }, on(0, call('connection.tune-ok'))],
    'a frame-max below the least': [
      'argument',
      { stage: 'authenticated' },
      on(0, call('connection.tune-ok', { channelMax: 10, frameMax: 100 })),
    ],
    'a frame-max above what was offered': [
      'argument',
      { stage: 'authenticated' },
      on(0, call('connection.tune-ok', { channelMax: 10, frameMax: 10_000_000 })),
    ],
    'a channel-max above what was offered': [
      'argument',
      { stage: 'authenticated' },
      on(0, call('connection.tune-ok', { channelMax: 60_000, frameMax: 131_072 })),
    ],
    'no limit to frames': [
      'argument',
      { stage: 'authenticated' },
      on(0, call('connection.tune-ok', { channelMax: 10, frameMax: 0 })),
    ],
    'no limit to channels': [
      'argument',
      { stage: 'authenticated' },
      on(0, call('connection.tune-ok', { channelMax: 0, frameMax: 131_072 })),
    ],
    'on a connection that is open': ['state', open, on(0, call('connection.tune-ok'))],
  }),
  ...many('connection.open', {
    'what the server waits for': [
      'none',
      { stage: 'tuned' },
      on(0, call('connection.open', { virtualHost: '/' })),
    ],
    'a virtual host that is not there': [
      'missing',
      { stage: 'tuned' },
      on(0, call('connection.open', { virtualHost: 'nowhere' })),
    ],
    'no virtual host': ['missing', { stage: 'tuned' }, on(0, call('connection.open'))],
    'a virtual host of others': [
      'permission',
      { stage: 'tuned', user: 'matrix-stranger' },
      on(0, call('connection.open', { virtualHost: '/' })),
    ],
    'a virtual host that is not there, by one who may enter none': [
      'permission',
      { stage: 'tuned', user: 'matrix-stranger' },
      on(0, call('connection.open', { virtualHost: 'nowhere' })),
    ],
    'before start-ok': ['state', { stage: 'started' }, on(0, call('connection.open', { virtualHost: '/' }))],
    'before tune-ok': [
      'state',
      { stage: 'authenticated' },
      on(0, call('connection.open', { virtualHost: '/' })),
    ],
    'a second time': ['state', open, on(0, call('connection.open', { virtualHost: '/' }))],
  }),
  ...many('connection.close', {
    'an open connection': [
      'none',
      open,
      on(0, call('connection.close', { replyCode: 200, replyText: 'bye' })),
    ],
    'before start-ok': ['none', { stage: 'started' }, on(0, call('connection.close', { replyCode: 200 }))],
    'before open': ['none', { stage: 'tuned' }, on(0, call('connection.close', { replyCode: 200 }))],
  }),
  ...many('connection.close-ok', {
    'that nobody waits for': ['state', open, on(0, call('connection.close-ok'))],
  }),
  ...many('connection.update-secret', {
    'where there is nothing to update': [
      'none',
      open,
      on(0, call('connection.update-secret', { newSecret: 'guest', reason: 'time' })),
    ],
    'before the connection is open': [
      'state',
      { stage: 'tuned' },
      on(0, call('connection.update-secret', { newSecret: 'guest', reason: 'time' })),
    ],
  }),
  ...many('connection.blocked', { 'from a client': ['state', open, on(0, call('connection.blocked'))] }),
  ...many('channel.open', {
    'a new channel': ['none', on(2, call('channel.open'))],
    'a second time': ['state', call('channel.open')],
    'the channel 0': ['argument', open, on(0, call('channel.open'))],
    'beyond channel-max': ['argument', on(2048, call('channel.open'))],
    'the last of the channels': ['none', on(2047, call('channel.open'))],
    'again after a close': ['none', close, call('channel.open')],
  }),
  ...many('channel.flow', {
    stop: ['none', call('channel.flow', { active: false })],
    'go on': ['none', call('channel.flow', { active: true })],
  }),
  ...many('channel.flow-ok', {
    'that nobody waits for': ['state', call('channel.flow-ok', { active: true })],
  }),
  ...many('channel.close', {
    'a channel': ['none', quiet, close],
    'one that is not open': ['state', open, close],
    'with an error of the client': [
      'none',
      quiet,
      call('channel.close', { replyCode: 541, replyText: 'broken', classId: 60, methodId: 60 }),
    ],
  }),
  ...many('channel.close-ok', {
    'that nobody waits for': ['state', quiet, call('channel.close-ok')],
  }),
  ...many('access.request', {
    'of AMQP 0-8': ['none', quiet, call('access.request', { realm: '/data', read: true })],
  }),
  ...many('confirm.select', {
    'a channel': ['none', call('confirm.select')],
    twice: ['none', call('confirm.select'), call('confirm.select')],
    'no-wait': ['none', call('confirm.select', { noWait: true })],
    'a channel of transactions': ['state', call('tx.select'), call('confirm.select')],
    'a channel of transactions, no-wait': [
      'state',
      call('tx.select'),
      call('confirm.select', { noWait: true }),
    ],
  }),
  ...many('tx.select', {
    'a channel': ['none', call('tx.select')],
    twice: ['none', call('tx.select'), call('tx.select')],
    'a channel of confirms': ['state', call('confirm.select'), call('tx.select')],
  }),
  ...many('tx.commit', {
    'an empty transaction': ['none', call('tx.select'), call('tx.commit')],
    'where there is no transaction': ['state', call('tx.commit')],
    'on a channel of confirms': ['state', call('confirm.select'), call('tx.commit')],
  }),
  ...many('tx.rollback', {
    'an empty transaction': ['none', call('tx.select'), call('tx.rollback')],
    'where there is no transaction': ['state', call('tx.rollback')],
    'on a channel of confirms': ['state', call('confirm.select'), call('tx.rollback')],
  }),
  ...many('frame', {
    'the header of AMQP 1.0': ['argument', { stage: 'connected' }, bytes('AMQP', [0, 1, 0, 0])],
    'the header of AMQP 1.0 with SASL': ['argument', { stage: 'connected' }, bytes('AMQP', [3, 1, 0, 0])],
    'the header of AMQP 0-8': ['argument', { stage: 'connected' }, bytes('AMQP', [1, 1, 8, 0])],
    'the header of AMQP 0-9': ['argument', { stage: 'connected' }, bytes('AMQP', [1, 1, 0, 9])],
    'the header of AMQP 0-10': ['argument', { stage: 'connected' }, bytes('AMQP', [1, 1, 0, 10])],
    'the request of a browser': ['argument', { stage: 'connected' }, bytes('GET / HTTP/1.1\r\n\r\n')],
    'the protocol header twice': ['state', { stage: 'started' }, header],
    'the protocol header on an open connection': ['state', quiet, header],
    'a heartbeat': ['none', open, on(0, frame(8, ''))],
    'a heartbeat on a channel': ['argument', quiet, frame(8, '')],
    'a heartbeat with a payload': ['argument', open, on(0, frame(8, 'x'))],
    'a heartbeat before start-ok': ['none', { stage: 'started' }, on(0, frame(8, ''))],
    'a type that is none': ['argument', quiet, frame(4, 'payload')],
    'the type 0': ['argument', quiet, frame(0, '')],
    'a wrong end': ['argument', quiet, frame(1, Buffer.from([0, 20, 0, 10, 0]), 0xcd)],
    'larger than frame-max': ['argument', quiet, frame(1, Buffer.alloc(131_073))],
    'a size that no memory holds': ['argument', quiet, bytes([1, 0, 1, 0xff, 0xff, 0xff, 0xff])],
    'a method frame without a method': ['argument', quiet, frame(1, '')],
    'a method frame with half of a method': ['argument', quiet, frame(1, Buffer.from([0, 50]))],
    'a method frame on a channel that is not open': [
      'state',
      quiet,
      on(7, call('queue.declare', { queue: '~q' })),
    ],
    'a header frame on channel 0': ['state', open, on(0, frame(2, Buffer.alloc(14)))],
    'a body frame on channel 0': ['state', open, on(0, frame(3, 'body'))],
    'a body frame on a channel that is not open': ['state', open, frame(3, 'body')],
    'a header frame before start-ok': ['state', { stage: 'started' }, on(0, frame(2, Buffer.alloc(14)))],
    'a method on channel 1 before start-ok': ['state', { stage: 'started' }, call('channel.open')],
    'a class that is none': ['argument', quiet, rawMethod(70, 10)],
    'a method that its class has not': ['argument', quiet, rawMethod(50, 99)],
    'a class that is none, on channel 0': ['argument', open, on(0, rawMethod(70, 10))],
    'a method that its class has not, on channel 0': ['argument', open, on(0, rawMethod(10, 99))],
    'nothing at all': ['none', open, { pauseMs: 1 }],
  }),
];
