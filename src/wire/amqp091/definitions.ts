import type { Table } from '../../base/value.ts';

/**
 * Every method of AMQP 0-9-1 and of RabbitMQ's extensions, as data. The names are the specification's in camel case.
 * Arguments named `reserved…` are on the wire, as zero, and nowhere else. A `longstr` is bytes; a `longtext` is the
 * same on the wire, and text to us.
 */
export const METHODS = {
  'connection.start': {
    classId: 10,
    methodId: 10,
    synchronous: true,
    hasContent: false,
    arguments: [
      ['versionMajor', 'octet'],
      ['versionMinor', 'octet'],
      ['serverProperties', 'table'],
      ['mechanisms', 'longtext'],
      ['locales', 'longtext'],
    ],
  },
  'connection.start-ok': {
    classId: 10,
    methodId: 11,
    synchronous: true,
    hasContent: false,
    arguments: [
      ['clientProperties', 'table'],
      ['mechanism', 'shortstr'],
      ['response', 'longstr'],
      ['locale', 'shortstr'],
    ],
  },
  'connection.secure': {
    classId: 10,
    methodId: 20,
    synchronous: true,
    hasContent: false,
    arguments: [['challenge', 'longstr']],
  },
  'connection.secure-ok': {
    classId: 10,
    methodId: 21,
    synchronous: true,
    hasContent: false,
    arguments: [['response', 'longstr']],
  },
  'connection.tune': {
    classId: 10,
    methodId: 30,
    synchronous: true,
    hasContent: false,
    arguments: [
      ['channelMax', 'short'],
      ['frameMax', 'long'],
      ['heartbeat', 'short'],
    ],
  },
  'connection.tune-ok': {
    classId: 10,
    methodId: 31,
    synchronous: true,
    hasContent: false,
    arguments: [
      ['channelMax', 'short'],
      ['frameMax', 'long'],
      ['heartbeat', 'short'],
    ],
  },
  'connection.open': {
    classId: 10,
    methodId: 40,
    synchronous: true,
    hasContent: false,
    arguments: [
      ['virtualHost', 'shortstr'],
      ['reserved1', 'shortstr'],
      ['reserved2', 'bit'],
    ],
  },
  'connection.open-ok': {
    classId: 10,
    methodId: 41,
    synchronous: true,
    hasContent: false,
    arguments: [['reserved1', 'shortstr']],
  },
  'connection.close': {
    classId: 10,
    methodId: 50,
    synchronous: true,
    hasContent: false,
    arguments: [
      ['replyCode', 'short'],
      ['replyText', 'shortstr'],
      ['classId', 'short'],
      ['methodId', 'short'],
    ],
  },
  'connection.close-ok': { classId: 10, methodId: 51, synchronous: true, hasContent: false, arguments: [] },
  'connection.blocked': {
    classId: 10,
    methodId: 60,
    synchronous: false,
    hasContent: false,
    arguments: [['reason', 'shortstr']],
  },
  'connection.unblocked': { classId: 10, methodId: 61, synchronous: false, hasContent: false, arguments: [] },
  'connection.update-secret': {
    classId: 10,
    methodId: 70,
    synchronous: true,
    hasContent: false,
    arguments: [
      ['newSecret', 'longtext'],
      ['reason', 'shortstr'],
    ],
  },
  'connection.update-secret-ok': {
    classId: 10,
    methodId: 71,
    synchronous: true,
    hasContent: false,
    arguments: [],
  },

  'channel.open': {
    classId: 20,
    methodId: 10,
    synchronous: true,
    hasContent: false,
    arguments: [['reserved1', 'shortstr']],
  },
  'channel.open-ok': {
    classId: 20,
    methodId: 11,
    synchronous: true,
    hasContent: false,
    arguments: [['reserved1', 'longstr']],
  },
  'channel.flow': {
    classId: 20,
    methodId: 20,
    synchronous: true,
    hasContent: false,
    arguments: [['active', 'bit']],
  },
  'channel.flow-ok': {
    classId: 20,
    methodId: 21,
    synchronous: false,
    hasContent: false,
    arguments: [['active', 'bit']],
  },
  'channel.close': {
    classId: 20,
    methodId: 40,
    synchronous: true,
    hasContent: false,
    arguments: [
      ['replyCode', 'short'],
      ['replyText', 'shortstr'],
      ['classId', 'short'],
      ['methodId', 'short'],
    ],
  },
  'channel.close-ok': { classId: 20, methodId: 41, synchronous: true, hasContent: false, arguments: [] },

  'access.request': {
    classId: 30,
    methodId: 10,
    synchronous: true,
    hasContent: false,
    arguments: [
      ['realm', 'shortstr'],
      ['exclusive', 'bit'],
      ['passive', 'bit'],
      ['active', 'bit'],
      ['write', 'bit'],
      ['read', 'bit'],
    ],
  },
  'access.request-ok': {
    classId: 30,
    methodId: 11,
    synchronous: true,
    hasContent: false,
    arguments: [['ticket', 'short']],
  },

  'exchange.declare': {
    classId: 40,
    methodId: 10,
    synchronous: true,
    hasContent: false,
    arguments: [
      ['reserved1', 'short'],
      ['exchange', 'shortstr'],
      ['type', 'shortstr'],
      ['passive', 'bit'],
      ['durable', 'bit'],
      ['autoDelete', 'bit'],
      ['internal', 'bit'],
      ['noWait', 'bit'],
      ['arguments', 'table'],
    ],
  },
  'exchange.declare-ok': { classId: 40, methodId: 11, synchronous: true, hasContent: false, arguments: [] },
  'exchange.delete': {
    classId: 40,
    methodId: 20,
    synchronous: true,
    hasContent: false,
    arguments: [
      ['reserved1', 'short'],
      ['exchange', 'shortstr'],
      ['ifUnused', 'bit'],
      ['noWait', 'bit'],
    ],
  },
  'exchange.delete-ok': { classId: 40, methodId: 21, synchronous: true, hasContent: false, arguments: [] },
  'exchange.bind': {
    classId: 40,
    methodId: 30,
    synchronous: true,
    hasContent: false,
    arguments: [
      ['reserved1', 'short'],
      ['destination', 'shortstr'],
      ['source', 'shortstr'],
      ['routingKey', 'shortstr'],
      ['noWait', 'bit'],
      ['arguments', 'table'],
    ],
  },
  'exchange.bind-ok': { classId: 40, methodId: 31, synchronous: true, hasContent: false, arguments: [] },
  'exchange.unbind': {
    classId: 40,
    methodId: 40,
    synchronous: true,
    hasContent: false,
    arguments: [
      ['reserved1', 'short'],
      ['destination', 'shortstr'],
      ['source', 'shortstr'],
      ['routingKey', 'shortstr'],
      ['noWait', 'bit'],
      ['arguments', 'table'],
    ],
  },
  // 51, not 41: RabbitMQ's definition has it so, and every client follows.
  'exchange.unbind-ok': { classId: 40, methodId: 51, synchronous: true, hasContent: false, arguments: [] },

  'queue.declare': {
    classId: 50,
    methodId: 10,
    synchronous: true,
    hasContent: false,
    arguments: [
      ['reserved1', 'short'],
      ['queue', 'shortstr'],
      ['passive', 'bit'],
      ['durable', 'bit'],
      ['exclusive', 'bit'],
      ['autoDelete', 'bit'],
      ['noWait', 'bit'],
      ['arguments', 'table'],
    ],
  },
  'queue.declare-ok': {
    classId: 50,
    methodId: 11,
    synchronous: true,
    hasContent: false,
    arguments: [
      ['queue', 'shortstr'],
      ['messageCount', 'long'],
      ['consumerCount', 'long'],
    ],
  },
  'queue.bind': {
    classId: 50,
    methodId: 20,
    synchronous: true,
    hasContent: false,
    arguments: [
      ['reserved1', 'short'],
      ['queue', 'shortstr'],
      ['exchange', 'shortstr'],
      ['routingKey', 'shortstr'],
      ['noWait', 'bit'],
      ['arguments', 'table'],
    ],
  },
  'queue.bind-ok': { classId: 50, methodId: 21, synchronous: true, hasContent: false, arguments: [] },
  'queue.purge': {
    classId: 50,
    methodId: 30,
    synchronous: true,
    hasContent: false,
    arguments: [
      ['reserved1', 'short'],
      ['queue', 'shortstr'],
      ['noWait', 'bit'],
    ],
  },
  'queue.purge-ok': {
    classId: 50,
    methodId: 31,
    synchronous: true,
    hasContent: false,
    arguments: [['messageCount', 'long']],
  },
  'queue.delete': {
    classId: 50,
    methodId: 40,
    synchronous: true,
    hasContent: false,
    arguments: [
      ['reserved1', 'short'],
      ['queue', 'shortstr'],
      ['ifUnused', 'bit'],
      ['ifEmpty', 'bit'],
      ['noWait', 'bit'],
    ],
  },
  'queue.delete-ok': {
    classId: 50,
    methodId: 41,
    synchronous: true,
    hasContent: false,
    arguments: [['messageCount', 'long']],
  },
  'queue.unbind': {
    classId: 50,
    methodId: 50,
    synchronous: true,
    hasContent: false,
    arguments: [
      ['reserved1', 'short'],
      ['queue', 'shortstr'],
      ['exchange', 'shortstr'],
      ['routingKey', 'shortstr'],
      ['arguments', 'table'],
    ],
  },
  'queue.unbind-ok': { classId: 50, methodId: 51, synchronous: true, hasContent: false, arguments: [] },

  'basic.qos': {
    classId: 60,
    methodId: 10,
    synchronous: true,
    hasContent: false,
    arguments: [
      ['prefetchSize', 'long'],
      ['prefetchCount', 'short'],
      ['global', 'bit'],
    ],
  },
  'basic.qos-ok': { classId: 60, methodId: 11, synchronous: true, hasContent: false, arguments: [] },
  'basic.consume': {
    classId: 60,
    methodId: 20,
    synchronous: true,
    hasContent: false,
    arguments: [
      ['reserved1', 'short'],
      ['queue', 'shortstr'],
      ['consumerTag', 'shortstr'],
      ['noLocal', 'bit'],
      ['noAck', 'bit'],
      ['exclusive', 'bit'],
      ['noWait', 'bit'],
      ['arguments', 'table'],
    ],
  },
  'basic.consume-ok': {
    classId: 60,
    methodId: 21,
    synchronous: true,
    hasContent: false,
    arguments: [['consumerTag', 'shortstr']],
  },
  // Either peer may send it: from the server it is RabbitMQ's consumer cancel notification.
  'basic.cancel': {
    classId: 60,
    methodId: 30,
    synchronous: true,
    hasContent: false,
    arguments: [
      ['consumerTag', 'shortstr'],
      ['noWait', 'bit'],
    ],
  },
  'basic.cancel-ok': {
    classId: 60,
    methodId: 31,
    synchronous: true,
    hasContent: false,
    arguments: [['consumerTag', 'shortstr']],
  },
  'basic.publish': {
    classId: 60,
    methodId: 40,
    synchronous: false,
    hasContent: true,
    arguments: [
      ['reserved1', 'short'],
      ['exchange', 'shortstr'],
      ['routingKey', 'shortstr'],
      ['mandatory', 'bit'],
      ['immediate', 'bit'],
    ],
  },
  'basic.return': {
    classId: 60,
    methodId: 50,
    synchronous: false,
    hasContent: true,
    arguments: [
      ['replyCode', 'short'],
      ['replyText', 'shortstr'],
      ['exchange', 'shortstr'],
      ['routingKey', 'shortstr'],
    ],
  },
  'basic.deliver': {
    classId: 60,
    methodId: 60,
    synchronous: false,
    hasContent: true,
    arguments: [
      ['consumerTag', 'shortstr'],
      ['deliveryTag', 'longlong'],
      ['redelivered', 'bit'],
      ['exchange', 'shortstr'],
      ['routingKey', 'shortstr'],
    ],
  },
  'basic.get': {
    classId: 60,
    methodId: 70,
    synchronous: true,
    hasContent: false,
    arguments: [
      ['reserved1', 'short'],
      ['queue', 'shortstr'],
      ['noAck', 'bit'],
    ],
  },
  'basic.get-ok': {
    classId: 60,
    methodId: 71,
    synchronous: true,
    hasContent: true,
    arguments: [
      ['deliveryTag', 'longlong'],
      ['redelivered', 'bit'],
      ['exchange', 'shortstr'],
      ['routingKey', 'shortstr'],
      ['messageCount', 'long'],
    ],
  },
  'basic.get-empty': {
    classId: 60,
    methodId: 72,
    synchronous: true,
    hasContent: false,
    arguments: [['reserved1', 'shortstr']],
  },
  'basic.ack': {
    classId: 60,
    methodId: 80,
    synchronous: false,
    hasContent: false,
    arguments: [
      ['deliveryTag', 'longlong'],
      ['multiple', 'bit'],
    ],
  },
  'basic.reject': {
    classId: 60,
    methodId: 90,
    synchronous: false,
    hasContent: false,
    arguments: [
      ['deliveryTag', 'longlong'],
      ['requeue', 'bit'],
    ],
  },
  'basic.recover-async': {
    classId: 60,
    methodId: 100,
    synchronous: false,
    hasContent: false,
    arguments: [['requeue', 'bit']],
  },
  'basic.recover': {
    classId: 60,
    methodId: 110,
    synchronous: false,
    hasContent: false,
    arguments: [['requeue', 'bit']],
  },
  'basic.recover-ok': { classId: 60, methodId: 111, synchronous: true, hasContent: false, arguments: [] },
  'basic.nack': {
    classId: 60,
    methodId: 120,
    synchronous: false,
    hasContent: false,
    arguments: [
      ['deliveryTag', 'longlong'],
      ['multiple', 'bit'],
      ['requeue', 'bit'],
    ],
  },

  'confirm.select': {
    classId: 85,
    methodId: 10,
    synchronous: true,
    hasContent: false,
    arguments: [['noWait', 'bit']],
  },
  'confirm.select-ok': { classId: 85, methodId: 11, synchronous: true, hasContent: false, arguments: [] },

  'tx.select': { classId: 90, methodId: 10, synchronous: true, hasContent: false, arguments: [] },
  'tx.select-ok': { classId: 90, methodId: 11, synchronous: true, hasContent: false, arguments: [] },
  'tx.commit': { classId: 90, methodId: 20, synchronous: true, hasContent: false, arguments: [] },
  'tx.commit-ok': { classId: 90, methodId: 21, synchronous: true, hasContent: false, arguments: [] },
  'tx.rollback': { classId: 90, methodId: 30, synchronous: true, hasContent: false, arguments: [] },
  'tx.rollback-ok': { classId: 90, methodId: 31, synchronous: true, hasContent: false, arguments: [] },
} as const satisfies Record<`${string}.${string}`, MethodDefinition>;

/** What each type on the wire is in memory. A `longlong` beyond 2^53 - 1 is refused, not rounded. */
interface WireTypes {
  readonly bit: boolean;
  readonly octet: number;
  readonly short: number;
  readonly long: number;
  readonly longlong: number;
  readonly shortstr: string;
  readonly longstr: Uint8Array;
  readonly longtext: string;
  readonly table: Table;
}

export type ArgumentType = keyof WireTypes;

export interface MethodDefinition {
  readonly classId: number;
  readonly methodId: number;
  /** The sender waits for an answer, or this is the answer (AMQP 2.2.2). */
  readonly synchronous: boolean;
  /** A content header and a body follow on the same channel. */
  readonly hasContent: boolean;
  readonly arguments: readonly (readonly [name: string, type: ArgumentType])[];
}

export type MethodName = keyof typeof METHODS;

type ArgumentsOf<N extends MethodName> = {
  readonly [A in (typeof METHODS)[N]['arguments'][number] as A[0] extends `reserved${string}`
    ? never
    : A[0]]: WireTypes[A[1]];
};

/** `MethodOf<'basic.ack'>` is `{ name: 'basic.ack', deliveryTag: number, multiple: boolean }`. */
export type MethodOf<N extends MethodName> = { readonly name: N } & ArgumentsOf<N>;

/** Any method, told apart by its `name`. */
export type Method = { [N in MethodName]: MethodOf<N> }[MethodName];
