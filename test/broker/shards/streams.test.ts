import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Options } from 'amqplib';
import { amqp091Codec } from '../../../src/servers/amqp091/property-codec.ts';
import { publishBytes } from '../../servers/amqp091/raw-client.ts';
import { until } from '../../support/until.ts';
import { appendRecords } from '../streams/bindings/records.ts';
import { type Client, consume, type Read, ShardServers } from './shard-servers.ts';

const STREAM: Options.AssertQueue = { durable: true, arguments: { 'x-queue-type': 'stream' } };
const SINGLE: Options.AssertQueue = {
  durable: true,
  arguments: { 'x-queue-type': 'stream', 'x-single-active-consumer': true },
};
const FIRST = { 'x-stream-offset': 'first' };

async function publish({ channel }: Client, stream: string, bodies: readonly string[]): Promise<void> {
  for (const body of bodies) channel.sendToQueue(stream, Buffer.from(body));
  await channel.waitForConfirms();
}

function numbered(count: number, prefix = 'm'): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${i}`);
}

/** Everything that is in a stream, as a client of this shard reads it. */
async function readAll(servers: ShardServers, shard: number, stream: string, count: number): Promise<Read> {
  const client = await servers.client(shard);
  await client.channel.prefetch(100);
  const read = await consume(client, stream, FIRST);
  await until(() => read.messages.length >= count);
  await client.channel.cancel(read.tag);
  return read;
}

/** The text with which the server closes the channel. */
async function refusal(
  { connection }: Client,
  act: (channel: Client['channel']) => unknown,
): Promise<string> {
  const channel = await connection.createConfirmChannel();
  const closed = new Promise<string>((resolve) =>
    channel.once('error', (error: Error) => resolve(error.message)),
  );
  const acted = act(channel);
  if (acted instanceof Promise) acted.catch(() => undefined);
  return await closed;
}

describe('a stream, for clients of other shards than its own', () => {
  it('is declared, published to and read, from wherever a consumer wants to begin', async () => {
    await using servers = await ShardServers.start();
    const [one, two] = [await servers.client(1), await servers.client(2)];
    await one.channel.assertQueue('s', STREAM);
    await publish(one, 's', numbered(5));
    await two.channel.prefetch(2);
    const all = await consume(two, 's', FIRST);
    const some = await consume(two, 's', { 'x-stream-offset': 3 });
    const last = await consume(two, 's', { 'x-stream-offset': 'last' });
    const next = await consume(two, 's', { 'x-stream-offset': 'next' });
    const recent = await consume(two, 's', { 'x-stream-offset': '1h' });
    const timestamp = { '!': 'timestamp', value: Math.floor(Date.now() / 1000) + 3600 };
    const future = await consume(two, 's', { 'x-stream-offset': timestamp });
    await publish(one, 's', ['new']);
    await until(() => next.bodies.length === 1 && all.bodies.length === 6 && recent.bodies.length === 6);
    await until(() => some.bodies.length === 3 && last.bodies.length === 2 && future.bodies.length === 1);
    assert.deepEqual(all.bodies, [...numbered(5), 'new']);
    assert.deepEqual(recent.bodies, all.bodies);
    assert.deepEqual(some.bodies, ['m3', 'm4', 'new']);
    assert.deepEqual(last.bodies, ['m4', 'new']);
    const [first] = all.messages;
    assert.equal(first?.properties.headers?.['x-stream-offset'], 0);
    assert.deepEqual([first?.fields.exchange, first?.fields.routingKey], ['', 's']);
    for (const { channel } of [one, two]) {
      const counts = await channel.checkQueue('s');
      assert.deepEqual(counts, { queue: 's', messageCount: 6, consumerCount: 6 });
    }
  });

  it('has all that was confirmed, in the order of each publisher, also after a restart', async () => {
    await using servers = await ShardServers.start();
    const publishers = await Promise.all([0, 1, 2].map((shard) => servers.client(shard)));
    await publishers[2].channel.assertQueue('s', STREAM);
    await Promise.all(publishers.map((client, shard) => publish(client, 's', numbered(500, `${shard}:`))));
    for (const isAgain of [false, true]) {
      if (isAgain) await servers.restart();
      for (const shard of [0, 1, 2]) {
        const { bodies } = await readAll(servers, shard, 's', 1500);
        for (const from of [0, 1, 2]) {
          assert.deepEqual(
            bodies.filter((body) => body.startsWith(`${from}:`)),
            numbered(500, `${from}:`),
          );
        }
      }
    }
  });

  it('confirms a message when it is durable in the shard of the stream, and not before', async () => {
    await using servers = await ShardServers.start();
    const { channel } = await servers.client(1);
    await channel.assertQueue('s', STREAM);
    const [home] = servers.shards.brokers;
    const { journal } = home.shard.store;
    const commit = journal.commit.bind(journal);
    journal.commit = () => undefined;
    let isConfirmed = false;
    channel.sendToQueue('s', Buffer.from('m'), {}, () => {
      isConfirmed = true;
    });
    const stream = home.streams.get('/', 's');
    await until(() => {
      home.shard.store.flushAccumulator();
      return stream?.ownPartitions[0].endOffset === 1;
    });
    // Its own shard has confirmed everything that it had.
    await servers.shards.brokers[1].shard.durable();
    assert.equal(isConfirmed, false);
    journal.commit = commit;
    home.shard.turn.schedule();
    await until(() => isConfirmed);
  });

  it('refuses what names a partition that is not there or is too large, at once and in the same words', async () => {
    await using servers = await ShardServers.start();
    const one = await servers.client(1);
    await one.channel.assertQueue('s', STREAM);
    const stream = servers.shards.brokers[0].streams.get('/', 's');
    assert.ok(stream !== undefined);
    servers.shards.brokers[0].streams.configure(
      stream,
      new Map([...stream.configs, ['max.message.bytes', '1000']]),
    );
    await servers.shards.brokers[0].metadataIsSafe();
    assert.match(
      await refusal(one, (channel) =>
        channel.publish('s', 'k', Buffer.from('m'), { headers: { 'x-partition': 1 } }),
      ),
      /PRECONDITION_FAILED - invalid header 'x-partition': stream 's' has the partitions 0 to 0/,
    );
    assert.match(
      await refusal(one, (channel) => channel.publish('s', 'k', Buffer.alloc(2000))),
      /PRECONDITION_FAILED - message size \d+ is larger than the 1000 bytes that stream 's' takes/,
    );
    servers.shards.brokers[0].streams.addPartitions(stream, 3);
    await servers.shards.brokers[0].metadataIsSafe();
    for (const partition of [2, 0, 1]) {
      one.channel.publish('s', 'k', Buffer.from(`${partition}`), { headers: { 'x-partition': partition } });
    }
    await one.channel.waitForConfirms();
    assert.deepEqual(
      stream.ownPartitions.map(({ endOffset }) => endOffset),
      [1, 1, 1],
    );
  });

  it('puts a key where every other shard puts it', async () => {
    await using servers = await ShardServers.start();
    const clients = await Promise.all([0, 1, 2].map((shard) => servers.client(shard)));
    await clients[1].channel.assertExchange('x', 'x-stream', { arguments: { 'x-partitions': 7 } });
    for (const { channel } of clients) {
      for (let i = 0; i < 50; i++) channel.publish('x', `k${i}`, Buffer.from(''));
      await channel.waitForConfirms();
    }
    const { messages } = await readAll(servers, 2, 'x', 150);
    const partitions = new Map<string, Set<unknown>>();
    for (const { fields, properties } of messages) {
      const seen = partitions.get(fields.routingKey) ?? new Set();
      partitions.set(fields.routingKey, seen.add(properties.headers?.['x-stream-partition']));
    }
    assert.equal(partitions.size, 50);
    for (const seen of partitions.values()) assert.equal(seen.size, 1);
  });

  it('gives a consumer no more than it acknowledges, whichever way', async () => {
    await using servers = await ShardServers.start();
    const client = await servers.client(2);
    const { channel } = client;
    await channel.assertQueue('s', STREAM);
    await publish(client, 's', numbered(10));
    await channel.prefetch(3);
    const { messages } = await consume(client, 's', FIRST, false);
    await until(() => messages.length === 3);
    channel.ack(messages[0]);
    channel.nack(messages[1], false, true);
    channel.reject(messages[2], false);
    await until(() => messages.length === 6);
    await channel.checkQueue('s');
    assert.deepEqual(
      messages.map(({ content }) => content.toString()),
      numbered(6),
    );
  });

  it('filters where it is, and gives records of all partitions that others wrote', async () => {
    await using servers = await ShardServers.start();
    const client = await servers.client(1);
    const [home] = servers.shards.brokers;
    const topic = home.streams.create({ vhost: '/', name: 't', partitions: 3, configs: new Map() });
    await home.metadataIsSafe();
    for (let p = 0; p < 3; p++) {
      const records = numbered(100, `${p}:`).map((value) => ({
        key: `k${p}`,
        value,
        headers: [['x-stream-filter-value', p === 1 ? 'one' : 'other']] as const,
      }));
      appendRecords(topic, records, { partition: p, codec: p === 1 ? 'zstd' : 'none' });
    }
    await client.channel.prefetch(7);
    const all = await consume(client, 't', FIRST);
    const some = await consume(client, 't', { ...FIRST, 'x-stream-filter': 'one' });
    await until(() => all.messages.length === 300 && some.messages.length === 100);
    for (let p = 0; p < 3; p++) {
      const own = all.messages.filter(({ fields }) => fields.routingKey === `k${p}`);
      assert.deepEqual(
        own.map(({ content }) => content.toString()),
        numbered(100, `${p}:`),
      );
      assert.ok(own.every(({ properties }) => properties.headers?.['x-stream-partition'] === p));
    }
    assert.deepEqual(some.bodies, numbered(100, '1:'));
  });

  it('has one active consumer over all shards, and the next goes on where that one was', async () => {
    await using servers = await ShardServers.start();
    const [zero, one, two] = await Promise.all([0, 1, 2].map((shard) => servers.client(shard)));
    await one.channel.assertQueue('s', SINGLE);
    await publish(one, 's', numbered(8));
    for (const { channel } of [zero, one, two]) await channel.prefetch(2);
    const first = await consume(one, 's', FIRST, false);
    const second = await consume(two, 's', { 'x-stream-offset': 'next' }, false);
    const third = await consume(zero, 's', { 'x-stream-offset': 'next' });
    await until(() => first.messages.length === 2);
    one.channel.ack(first.messages[0]);
    await until(() => first.messages.length === 3);
    await one.channel.cancel(first.tag);
    await until(() => second.messages.length === 2);
    assert.deepEqual(second.bodies, ['m1', 'm2']);
    two.channel.ack(second.messages[0]);
    await until(() => second.messages.length === 3);
    two.channel.recover();
    await until(() => second.messages.length === 5);
    assert.deepEqual(third.bodies, []);
    await two.connection.close();
    await until(() => third.messages.length === 6);
    assert.deepEqual(third.bodies, ['m2', 'm3', 'm4', 'm5', 'm6', 'm7']);
  });

  it('can be had exclusively by a consumer of any shard', async () => {
    await using servers = await ShardServers.start();
    const [one, two] = [await servers.client(1), await servers.client(2)];
    await one.channel.assertQueue('s', STREAM);
    await one.channel.prefetch(1);
    const { consumerTag } = await one.channel.consume('s', () => undefined, { exclusive: true });
    const attempt = async (channel: Client['channel']): Promise<void> => {
      await channel.prefetch(1);
      await channel.consume('s', () => undefined);
    };
    assert.match(await refusal(two, attempt), /ACCESS_REFUSED - queue 's' in vhost '\/' in exclusive use/);
    await one.channel.cancel(consumerTag);
    const later = await two.connection.createConfirmChannel();
    await attempt(later);
    assert.equal((await later.checkQueue('s')).consumerCount, 1);
  });

  it('tells its consumers in all shards when it is deleted, and another one may have its name', async () => {
    await using servers = await ShardServers.start();
    const clients = await Promise.all([0, 1, 2].map((shard) => servers.client(shard)));
    const [, one, two] = clients;
    await one.channel.assertQueue('s', STREAM);
    await publish(one, 's', numbered(3));
    const reads: Read[] = [];
    for (const client of clients) {
      await client.channel.prefetch(1);
      reads.push(await consume(client, 's', FIRST, false));
    }
    assert.match(
      await refusal(two, (channel) => channel.deleteQueue('s', { ifUnused: true })),
      /PRECONDITION_FAILED - queue 's' in vhost '\/' in use/,
    );
    assert.deepEqual(await two.channel.deleteQueue('s'), { messageCount: 3 });
    await until(() => reads.every(({ wasCancelled }) => wasCancelled));
    assert.match(await refusal(one, (channel) => channel.checkQueue('s')), /NOT_FOUND - no queue 's'/);
    assert.match(await refusal(one, (channel) => channel.checkExchange('s')), /NOT_FOUND - no exchange 's'/);
    await two.channel.assertQueue('s', STREAM);
    await publish(one, 's', ['new']);
    assert.deepEqual((await readAll(servers, 2, 's', 1)).bodies, ['new']);
  });

  it('tells a consumer that it is deleted also while that is being made', async () => {
    await using servers = await ShardServers.start(2);
    const one = await servers.client(1);
    await one.channel.assertQueue('s', STREAM);
    await publish(one, 's', numbered(3));
    await one.channel.prefetch(2);
    const [home] = servers.shards.brokers;
    const stream = home.streams.get('/', 's');
    const consumers = stream === undefined ? undefined : home.streamExchanges.of(stream)?.consumers;
    assert.ok(stream !== undefined && consumers !== undefined);
    const add = consumers.add.bind(consumers);
    consumers.add = (request) => {
      queueMicrotask(() => home.streams.delete(stream));
      return add(request);
    };
    const read = await consume(one, 's', FIRST);
    await until(() => read.wasCancelled);
    assert.deepEqual(read.bodies, []);
  });

  it('is an exchange that can be bound, declared with others, and deleted; and follows policies', async () => {
    await using servers = await ShardServers.start();
    const [zero, one, two] = await Promise.all([0, 1, 2].map((shard) => servers.client(shard)));
    await servers.shards.vhost(0).setPolicy({ name: 'r', pattern: '^r$', definition: { remember: true } });
    await one.channel.assertExchange('r', 'fanout');
    await two.channel.assertExchange('x', 'x-stream');
    await one.channel.assertQueue('q', { arguments: { 'x-shard': 0 } });
    await two.channel.bindQueue('q', 'r', '');
    await two.channel.bindQueue('q', 'x', 'a.#');
    await one.channel.bindExchange('x', 'amq.topic', 'b.#');
    for (const [exchange, key, body] of [
      ['r', '', 'remembered'],
      ['x', 'a.b', 'bound'],
      ['x', 'b', 'not bound'],
      ['amq.topic', 'b.c', 'not bound'],
    ] as const) {
      two.channel.publish(exchange, key, Buffer.from(body), { mandatory: true });
    }
    await two.channel.waitForConfirms();
    const got: string[] = [];
    await zero.channel.consume('q', (message) => message !== null && got.push(message.content.toString()));
    await until(() => got.length === 2);
    assert.deepEqual(got.sort(), ['bound', 'remembered']);
    assert.equal((await readAll(servers, 1, 'r', 1)).bodies[0], 'remembered');
    assert.equal((await readAll(servers, 1, 'x', 3)).bodies.length, 3);
    for (const shard of [0, 1, 2]) {
      assert.equal(servers.shards.vhost(shard).findExchange('r')?.type.name, 'fanout');
      assert.equal(servers.shards.vhost(shard).findExchange('x')?.type.name, 'x-stream');
    }
    await servers.restart();
    assert.equal((await readAll(servers, 2, 'r', 1)).bodies[0], 'remembered');
    assert.equal(servers.shards.vhost(2).listBindings({ source: 'x' }).length, 1);
    servers.shards.vhost(0).clearPolicy('r');
    const again = await servers.client(1);
    await again.channel.deleteExchange('r');
    await again.channel.deleteExchange('x');
    for (const shard of [0, 1, 2]) {
      for (const name of ['r', 'x']) assert.equal(servers.shards.vhost(shard).findExchange(name), undefined);
      assert.equal(servers.shards.vhost(shard).listBindings().length, 1);
    }
    assert.equal([...servers.shards.brokers[0].streams].length, 0);
  });

  it('gets dead letters and delayed messages of queues in other shards', async () => {
    await using servers = await ShardServers.start();
    const one = await servers.client(1);
    await one.channel.assertQueue('s', STREAM);
    const args = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 's', 'x-message-ttl': 1 };
    await one.channel.assertQueue('short', { arguments: { ...args, 'x-shard': 1 } });
    one.channel.sendToQueue('short', Buffer.from('dead'));
    await one.channel.assertExchange('later', 'x-delayed-message', {
      arguments: { 'x-delayed-type': 'fanout' },
    });
    await one.channel.bindQueue('s', 'later', '');
    one.channel.publish('later', 'k', Buffer.from('delayed'), { headers: { 'x-delay': 20 } });
    await one.channel.waitForConfirms();
    const { bodies } = await readAll(servers, 2, 's', 2);
    assert.deepEqual(bodies.sort(), ['dead', 'delayed']);
    const waits = servers.shards.brokers[1]?.shard.waits;
    await until(() => waits?.count === 0);
  });

  it('goes with its virtual host', async () => {
    await using servers = await ShardServers.start();
    const [home] = servers.shards.brokers;
    await home.access.administration.createVhost('v');
    home.streams.create({ vhost: 'v', name: 't', partitions: 1, configs: new Map() });
    home.streams.create({ vhost: '/', name: 't', partitions: 1, configs: new Map() });
    await home.metadataIsSafe();
    assert.ok(servers.shards.vhost(2, 'v').findStream('t') !== undefined);
    await home.access.administration.deleteVhost('v');
    await home.access.administration.createVhost('v');
    assert.equal(servers.shards.vhost(2, 'v').findStream('t'), undefined);
  });

  it('AMQP 1.7.2: takes messages of a tx in another shard, together with queues and other streams, or not at all', async () => {
    await using servers = await ShardServers.start();
    const one = await servers.client(1);
    for (const name of ['a', 'b']) {
      await one.channel.assertExchange(name, 'x-stream', { arguments: { 'x-partitions': 2 } });
      await one.channel.bindExchange(name, 'amq.fanout', '');
    }
    for (const shard of [0, 2]) {
      await one.channel.assertQueue(`q${shard}`, { arguments: { 'x-shard': shard } });
      await one.channel.bindQueue(`q${shard}`, 'amq.fanout', '');
    }
    using raw = await servers.rawChannel(1);
    raw.method(1, { name: 'tx.select' });
    await raw.expect('tx.select-ok');
    const persistent = Buffer.from([0x10, 0, 2]);
    for (const [exchange, body] of [
      ['amq.fanout', 'everywhere'],
      ['a', 'here'],
    ] as const)
      raw.write(publishBytes(1, exchange, 'k', Buffer.from(body), { properties: persistent }));
    raw.method(1, { name: 'tx.commit' });
    await raw.expect('tx.commit-ok');
    const { bodies } = await readAll(servers, 2, 'a', 2);
    assert.deepEqual(bodies, ['everywhere', 'here']);
    // One is refused: the others are not there either.
    raw.write(publishBytes(1, 'amq.fanout', 'k', Buffer.from('refused')));
    const none = amqp091Codec.edit(persistent, 0, persistent.length, {
      set: { 'x-partition': 9 },
      remove: [],
    });
    raw.write(publishBytes(1, 'a', 'k', Buffer.from('nowhere'), { properties: none }));
    raw.method(1, { name: 'tx.commit' });
    const closed = await raw.expect('channel.close');
    assert.match(closed.replyText, /PRECONDITION_FAILED - invalid header 'x-partition'/);
    await servers.restart();
    for (const [stream, expected] of [
      ['a', ['everywhere', 'here']],
      ['b', ['everywhere']],
    ] as const) {
      assert.deepEqual((await readAll(servers, 2, stream, expected.length)).bodies, expected);
    }
    const again = await servers.client(0);
    for (const queue of ['q0', 'q2']) assert.equal((await again.channel.checkQueue(queue)).messageCount, 1);
  });

  it('takes messages that go to several streams, and each of them or none', async () => {
    await using servers = await ShardServers.start();
    const one = await servers.client(1);
    for (const name of ['a', 'b', 'c']) {
      await one.channel.assertExchange(name, 'x-stream', {
        arguments: { 'x-partitions': name === 'b' ? 2 : 1 },
      });
      await one.channel.bindExchange(name, 'amq.fanout', '');
    }
    for (let i = 0; i < 20; i++) one.channel.publish('amq.fanout', '', Buffer.from(`m${i}`));
    await one.channel.waitForConfirms();
    for (const name of ['a', 'c'])
      assert.deepEqual((await readAll(servers, 2, name, 20)).bodies, numbered(20));
    assert.match(
      await refusal(one, (channel) =>
        channel.publish('amq.fanout', '', Buffer.from('m'), { headers: { 'x-partition': 1 } }),
      ),
      /invalid header 'x-partition': stream 'a'/,
    );
    assert.equal((await one.channel.checkQueue('b')).messageCount, 20);
    assert.equal(servers.shards.brokers[1].shard.waits.count, 0);
  });
});
