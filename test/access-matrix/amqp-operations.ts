import assert from 'node:assert/strict';
import type { Channel, ChannelModel, GetMessage } from 'amqplib';
import { publish } from '../access/access-server.ts';
import { hasPermission, hasTag, type Subject, type Verb } from './subjects.ts';

/** Methods that amqplib knows and has no function for: class and number. An answer's number is one more. */
const FLOW = [20, 20] as const;
const ACCESS_REQUEST = [30, 10] as const;
const RECOVER_ASYNC = [60, 100] as const;
const CONFIRM_SELECT = [85, 10] as const;
const TX_SELECT = [90, 10] as const;
const TX_COMMIT = [90, 20] as const;
const TX_ROLLBACK = [90, 30] as const;

/** There are: the topic exchange, the queue and the stream `secret`, `secret.q` and `secret.s`. */
export interface AmqpOperation {
  readonly name: string;
  /** By RabbitMQ's table of "How authorisation works". All names are `secret…`, so that a permission is for all or none. */
  readonly needs: readonly Verb[];
  /** The routing keys, where the exchange is a topic exchange. */
  readonly keys?: readonly string[];
  /** The permissions are on another name, on which nobody here has any. */
  readonly isElsewhere?: true;
  /** The user has to have this tag, too. */
  readonly tag?: string;
  /** What a refusal begins with. */
  readonly code?: 'PRECONDITION_FAILED';
  /** A message has to be in `secret.q`. */
  readonly takesMessage?: true;
  run(channel: Channel, model: ChannelModel): Promise<unknown>;
}

export const AMQP_OPERATIONS: readonly AmqpOperation[] = [
  { name: 'queue.declare', needs: ['configure'], run: (c) => c.assertQueue('secret.q') },
  { name: 'queue.declare, passive', needs: [], run: (c) => c.checkQueue('secret.q') },
  {
    name: 'queue.declare, named by the server (configure on `amq.gen-…`)',
    needs: ['configure'],
    isElsewhere: true,
    run: (c) => c.assertQueue('', { exclusive: true }),
  },
  {
    name: 'queue.declare, x-dead-letter-exchange',
    needs: ['configure', 'read', 'write'],
    run: (c) =>
      c.assertQueue('secret.dlx', { deadLetterExchange: 'secret', autoDelete: true, expires: 1000 }),
  },
  { name: 'queue.delete', needs: ['configure'], run: (c) => c.deleteQueue('secret.none') },
  { name: 'queue.purge', needs: ['read'], run: (c) => c.purgeQueue('secret.q') },
  {
    name: 'queue.bind, key a.b',
    needs: ['write', 'read'],
    keys: ['a.b'],
    run: (c) => c.bindQueue('secret.q', 'secret', 'a.b'),
  },
  {
    name: 'queue.bind, key b',
    needs: ['write', 'read'],
    keys: ['b'],
    run: (c) => c.bindQueue('secret.q', 'secret', 'b'),
  },
  {
    name: 'queue.unbind, key b',
    needs: ['write', 'read'],
    keys: ['b'],
    run: (c) => c.unbindQueue('secret.q', 'secret', 'b'),
  },
  { name: 'exchange.declare', needs: ['configure'], run: (c) => c.assertExchange('secret', 'topic') },
  { name: 'exchange.declare, passive', needs: [], run: (c) => c.checkExchange('secret') },
  {
    name: 'exchange.declare, alternate-exchange',
    needs: ['configure', 'read', 'write'],
    async run(channel) {
      await channel.assertExchange('secret.ae', 'fanout', { alternateExchange: 'secret' });
      await channel.deleteExchange('secret.ae');
    },
  },
  { name: 'exchange.delete', needs: ['configure'], run: (c) => c.deleteExchange('secret.none') },
  {
    name: 'exchange.bind, key b',
    needs: ['write', 'read'],
    keys: ['b'],
    run: (c) => c.bindExchange('secret.x', 'secret', 'b'),
  },
  {
    name: 'exchange.unbind, key b',
    needs: ['write', 'read'],
    keys: ['b'],
    run: (c) => c.unbindExchange('secret.x', 'secret', 'b'),
  },
  {
    name: 'basic.publish, key a.b',
    needs: ['write'],
    keys: ['a.b'],
    run: (c) => publish(c, 'secret', 'a.b'),
  },
  { name: 'basic.publish, key b', needs: ['write'], keys: ['b'], run: (c) => publish(c, 'secret', 'b') },
  {
    name: 'basic.publish, key a.b, CC b',
    needs: ['write'],
    keys: ['a.b', 'b'],
    run: (c) => publish(c, 'secret', 'a.b', { CC: ['b'] }),
  },
  {
    name: 'basic.publish, key a.b, BCC b',
    needs: ['write'],
    keys: ['a.b', 'b'],
    run: (c) => publish(c, 'secret', 'a.b', { BCC: ['b'] }),
  },
  {
    name: 'basic.publish, to the default exchange (write on `amq.default`)',
    needs: ['write'],
    isElsewhere: true,
    run: (c) => publish(c, '', 'secret.q'),
  },
  {
    name: 'basic.publish, with the user-id of another (tag impersonator)',
    needs: ['write'],
    keys: ['b'],
    tag: 'impersonator',
    code: 'PRECONDITION_FAILED',
    async run(channel) {
      channel.publish('secret', 'b', Buffer.from('x'), { userId: 'somebody' });
      await channel.checkExchange('amq.direct');
    },
  },
  {
    name: 'basic.publish, in a transaction, key a.b',
    needs: ['write'],
    keys: ['a.b'],
    run: (c) => publishInTransaction(c, 'a.b'),
  },
  {
    name: 'basic.publish, in a transaction, key b',
    needs: ['write'],
    keys: ['b'],
    run: (c) => publishInTransaction(c, 'b'),
  },
  {
    name: 'basic.publish, in a transaction, key a.b, CC b',
    needs: ['write'],
    keys: ['a.b', 'b'],
    run: (c) => publishInTransaction(c, 'a.b', { CC: ['b'] }),
  },
  {
    name: 'basic.publish, confirmed, key b',
    needs: ['write'],
    keys: ['b'],
    async run(channel) {
      await ask(channel, CONFIRM_SELECT);
      await publish(channel, 'secret', 'b');
    },
  },
  { name: 'basic.get', needs: ['read'], run: (c) => c.get('secret.q', { noAck: true }) },
  { name: 'basic.consume', needs: ['read'], run: (c) => c.consume('secret.q', () => undefined) },
  {
    name: 'basic.consume, of a stream',
    needs: ['read'],
    async run(channel) {
      await channel.prefetch(1);
      await channel.consume('secret.s', () => undefined);
    },
  },
  {
    name: 'basic.consume, of replies (`amq.rabbitmq.reply-to`)',
    needs: [],
    run: (c) => c.consume('amq.rabbitmq.reply-to', () => undefined, { noAck: true }),
  },
  {
    name: 'basic.cancel, of an own consumer',
    needs: ['read'],
    async run(channel) {
      const { consumerTag } = await channel.consume('secret.q', () => undefined);
      await channel.cancel(consumerTag);
    },
  },
  { name: 'basic.cancel, of nothing', needs: [], run: (c) => c.cancel('nothing') },
  {
    name: 'basic.ack, of what was got',
    needs: ['read'],
    takesMessage: true,
    run: (c) => settle(c, (message) => c.ack(message)),
  },
  {
    name: 'basic.nack, of what was got',
    needs: ['read'],
    takesMessage: true,
    run: (c) => settle(c, (message) => c.nack(message)),
  },
  {
    name: 'basic.reject, of what was got',
    needs: ['read'],
    takesMessage: true,
    run: (c) => settle(c, (message) => c.reject(message)),
  },
  {
    name: 'basic.ack, in a transaction',
    needs: ['read'],
    takesMessage: true,
    async run(channel) {
      await ask(channel, TX_SELECT);
      await settle(channel, (message) => channel.ack(message));
      await ask(channel, TX_COMMIT);
    },
  },
  { name: 'basic.qos', needs: [], run: (c) => c.prefetch(1) },
  { name: 'basic.recover', needs: [], run: (c) => c.recover() },
  {
    name: 'basic.recover, of what was got',
    needs: ['read'],
    takesMessage: true,
    async run(channel) {
      await settle(channel, () => undefined);
      await channel.recover();
    },
  },
  {
    name: 'basic.recover-async',
    needs: [],
    async run(channel) {
      tell(channel, RECOVER_ASYNC, { requeue: true });
      await channel.checkExchange('amq.direct');
    },
  },
  { name: 'confirm.select', needs: [], run: (c) => ask(c, CONFIRM_SELECT) },
  { name: 'tx.select', needs: [], run: (c) => ask(c, TX_SELECT) },
  {
    name: 'tx.commit',
    needs: [],
    async run(channel) {
      await ask(channel, TX_SELECT);
      await ask(channel, TX_COMMIT);
    },
  },
  {
    name: 'tx.rollback',
    needs: [],
    async run(channel) {
      await ask(channel, TX_SELECT);
      await ask(channel, TX_ROLLBACK);
    },
  },
  {
    name: 'channel.flow',
    needs: [],
    async run(channel) {
      await ask(channel, FLOW, { active: false });
      await ask(channel, FLOW, { active: true });
    },
  },
  { name: 'access.request', needs: [], run: (c) => ask(c, ACCESS_REQUEST, { realm: '/data' }) },
  {
    name: 'connection.update-secret',
    needs: [],
    run: (_, model) => model.updateSecret(Buffer.from('another'), 'a test'),
  },
];

export function amqpAllows(subject: Subject, { needs, keys = [], tag, isElsewhere }: AmqpOperation): boolean {
  if (isElsewhere === true || (tag !== undefined && !hasTag(subject, tag))) return false;
  if (!needs.every((verb) => hasPermission(subject, verb))) return false;
  return subject.rights.topics === undefined || keys.every((key) => key.startsWith('a.'));
}

/** What a refusal begins with; permissions are asked for first. */
export function amqpRefusal(subject: Subject, operation: AmqpOperation): string {
  const { code = 'ACCESS_REFUSED', tag, ...rest } = operation;
  return amqpAllows(subject, rest) ? code : 'ACCESS_REFUSED';
}

type Method = readonly [classId: number, methodId: number];

/** What amqplib's channels have beside their types. */
interface Internals {
  rpc(method: number, fields: object, answer: number): Promise<unknown>;
  sendImmediately(method: number, fields: object): void;
}

function ask(channel: Channel, [classId, methodId]: Method, fields: object = {}): Promise<unknown> {
  const method = (classId << 16) | methodId;
  return (channel as unknown as Internals).rpc(method, fields, method + 1);
}

function tell(channel: Channel, [classId, methodId]: Method, fields: object): void {
  (channel as unknown as Internals).sendImmediately((classId << 16) | methodId, fields);
}

async function publishInTransaction(
  channel: Channel,
  key: string,
  headers: { readonly [name: string]: unknown } = {},
): Promise<void> {
  await ask(channel, TX_SELECT);
  await publish(channel, 'secret', key, headers);
  await ask(channel, TX_COMMIT);
}

/** Gets a message, and waits until what is said about it has been heard. */
async function settle(channel: Channel, say: (message: GetMessage) => void): Promise<void> {
  const message = await channel.get('secret.q');
  assert.ok(message !== false, 'there is a message');
  say(message);
  await channel.checkExchange('amq.direct');
}
