import assert from 'node:assert/strict';
import type { ConfirmChannel } from 'amqplib';
import { AmqpClient } from './amqp-client.ts';
import type { Broker } from './broker.ts';

interface Route {
  readonly exchange: string;
  readonly key: string;
  readonly headers?: Readonly<Record<string, unknown>>;
  readonly queue: string;
}

/** What a message takes that is published when the directory is opened again. The queues are empty before and after. */
const ROUTES: readonly Route[] = [
  { exchange: 'a direct', key: 'k', queue: 'by direct' },
  { exchange: 'a fanout', key: 'any', queue: 'by fanout' },
  { exchange: 'a topic', key: 'eu.west.created', queue: 'by topic' },
  { exchange: 'a topic', key: 'eu.created', queue: 'by topic, many' },
  { exchange: 'a headers', key: '', headers: { kind: 'report', size: 3, more: 1 }, queue: 'by headers, all' },
  { exchange: 'a headers', key: '', headers: { kind: 'letter', urgent: true }, queue: 'by headers, any' },
  { exchange: 'a hash', key: 'k', queue: 'by hash' },
  { exchange: 'a modulus', key: 'k', queue: 'by modulus' },
  { exchange: 'a random', key: 'k', queue: 'by random' },
  { exchange: 'a round robin', key: 'k', queue: 'by round robin' },
  { exchange: 'a delayed', key: 'k', queue: 'by delayed' },
  { exchange: 'a first', key: 'x', queue: 'by direct' },
  { exchange: 'an alternate', key: 'unknown', queue: 'by fanout' },
  { exchange: 'a policy', key: 'unknown', queue: 'by fanout' },
];

/** An exchange of each type, with bindings of each kind. */
export async function declareRoutes(broker: Broker): Promise<void> {
  const client = await AmqpClient.open(broker);
  const { channel } = client;
  const types = [
    'direct',
    'fanout',
    'topic',
    'headers',
    'random',
    'round robin',
    'modulus',
    'hash',
    'delayed',
  ];
  for (const name of types) {
    const plugins: Readonly<Record<string, string>> = {
      random: 'x-random',
      'round robin': 'x-round-robin',
      modulus: 'x-modulus-hash',
      hash: 'x-consistent-hash',
      delayed: 'x-delayed-message',
    };
    const settings = name === 'delayed' ? { arguments: { 'x-delayed-type': 'topic' } } : {};
    await channel.assertExchange(`a ${name}`, plugins[name] ?? name, settings);
  }
  for (const queue of new Set(ROUTES.map((route) => route.queue))) await channel.assertQueue(queue);
  await channel.bindQueue('by direct', 'a direct', 'k');
  await channel.bindQueue('by fanout', 'a fanout', '');
  await channel.bindQueue('by topic', 'a topic', 'eu.*.created');
  await channel.bindQueue('by topic, many', 'a topic', '#.created');
  await channel.unbindQueue('by topic, many', 'a topic', '#.created');
  await channel.bindQueue('by topic, many', 'a topic', 'eu.created.#');
  await channel.bindQueue('by headers, all', 'a headers', '', { 'x-match': 'all', kind: 'report', size: 3 });
  await channel.bindQueue('by headers, any', 'a headers', '', {
    'x-match': 'any',
    kind: 'bill',
    urgent: true,
  });
  await channel.bindQueue('by hash', 'a hash', '10');
  for (const name of ['random', 'round robin', 'modulus', 'delayed']) {
    await channel.bindQueue(`by ${name}`, `a ${name}`, 'k');
  }
  await declareChains(channel);
  await client.close();
  const definition = { 'alternate-exchange': 'a fanout' };
  const policy = { pattern: '^a policy$', 'apply-to': 'exchanges', definition, priority: 3 };
  await broker.put('/api/policies/%2F/alternate', policy);
}

/** Exchanges that lead to others. */
async function declareChains(channel: ConfirmChannel): Promise<void> {
  await channel.assertExchange('a first', 'topic');
  await channel.assertExchange('a second', 'fanout', { internal: true });
  await channel.bindExchange('a second', 'a first', 'x');
  await channel.bindQueue('by direct', 'a second', '');
  await channel.assertExchange('an alternate', 'direct', { alternateExchange: 'a fanout' });
  await channel.assertExchange('a policy', 'direct');
}

export async function verifyRoutes(broker: Broker): Promise<void> {
  const client = await AmqpClient.open(broker);
  const { channel } = client;
  for (const { exchange, key, headers, queue } of ROUTES) {
    channel.publish(exchange, key, Buffer.from(exchange), headers === undefined ? {} : { headers });
    await channel.waitForConfirms();
    const message = await channel.get(queue, { noAck: true });
    assert.ok(message !== false, `a message by '${exchange}' is in '${queue}'`);
    assert.equal(message.content.toString(), exchange);
  }
  for (const queue of new Set(ROUTES.map((route) => route.queue))) {
    assert.equal((await channel.checkQueue(queue)).messageCount, 0, `messages more in '${queue}'`);
  }
  await client.close();
}
