import type { Channel } from 'amqplib';
import { publish } from '../access/access-server.ts';
import type { Verb } from './subjects.ts';

/** There are: the topic exchange, the queue and the stream `secret`, `secret.q` and `secret.s`. */
export interface AmqpOperation {
  readonly name: string;
  /** By RabbitMQ's table of "How authorisation works". All names are `secret…`, so that a permission is for all or none. */
  readonly needs: readonly Verb[];
  /** The routing keys, where the exchange is a topic exchange. */
  readonly keys?: readonly string[];
  /** It reads a stream, with all keys. */
  readonly readsAll?: true;
  run(channel: Channel): Promise<unknown>;
}

export const AMQP_OPERATIONS: readonly AmqpOperation[] = [
  { name: 'queue.declare', needs: ['configure'], run: (c) => c.assertQueue('secret.q') },
  { name: 'queue.declare, passive', needs: [], run: (c) => c.checkQueue('secret.q') },
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
  { name: 'basic.qos', needs: [], run: (c) => c.prefetch(1) },
  { name: 'basic.recover', needs: [], run: (c) => c.recover() },
];
