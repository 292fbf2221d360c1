import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Stream } from '../../../src/broker/streams/stream.ts';
import type { WantedShards } from '../../../src/broker/streams/streams.ts';
import { publishBytes } from '../../servers/amqp091/raw-client.ts';
import { until } from '../../support/until.ts';
import { type Client, consume, type Read, ShardServers } from './shard-servers.ts';

const FIRST = { 'x-stream-offset': 'first' };
const PERSISTENT = Buffer.from([0x10, 0, 2]);

/** A topic, as Kafka's clients make them. */
async function createTopic(
  servers: ShardServers,
  name: string,
  partitions = 3,
  shards: WantedShards = 'spread',
): Promise<Stream> {
  const [home] = servers.shards.brokers;
  const stream = home.streams.create({ vhost: '/', name, partitions, configs: new Map(), shards });
  await home.metadataIsSafe();
  return stream;
}

async function publish(
  { channel }: Client,
  exchange: string,
  bodies: readonly string[],
  options: (body: string, index: number) => { readonly key?: string; readonly headers?: object } = () => ({}),
): Promise<void> {
  for (const [index, body] of bodies.entries()) {
    const { key = '', headers = {} } = options(body, index);
    channel.publish(exchange, key, Buffer.from(body), { headers, persistent: true });
  }
  await channel.waitForConfirms();
}

/** To the partitions in turn. */
const inTurn =
  (partitions: number) =>
  (_body: string, index: number): { readonly headers: object } => ({
    headers: { 'x-partition': index % partitions },
  });

function numbered(count: number, prefix = 'm'): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${i}`);
}

/** What a consumer got of each partition. */
function byPartition({ messages }: Read): string[][] {
  const parts: string[][] = [];
  for (const { properties, content } of messages) {
    const partition = properties.headers?.['x-stream-partition'] as number;
    parts[partition] ??= [];
    parts[partition].push(content.toString());
  }
  return parts;
}

async function readAll(servers: ShardServers, shard: number, name: string, count: number): Promise<Read> {
  const client = await servers.client(shard);
  await client.channel.prefetch(100);
  const read = await consume(client, name, FIRST);
  await until(() => read.messages.length >= count);
  await client.channel.cancel(read.tag);
  return read;
}

describe('a stream whose partitions are in several shards, for clients of AMQP', () => {
  it('has all that was confirmed, from each shard and for each shard, in order, also after a restart', async () => {
    await using servers = await ShardServers.start();
    await createTopic(servers, 't', 5);
    const clients = await Promise.all([0, 1, 2].map((shard) => servers.client(shard)));
    await Promise.all(
      clients.map((client, shard) => publish(client, 't', numbered(300, `${shard}:`), inTurn(5))),
    );
    for (const isAgain of [false, true]) {
      if (isAgain) await servers.restart();
      for (const shard of [0, 1, 2]) {
        const parts = byPartition(await readAll(servers, shard, 't', 900));
        for (const [partition, bodies] of parts.entries()) {
          for (const from of [0, 1, 2]) {
            const own = bodies.filter((body) => body.startsWith(`${from}:`));
            assert.deepEqual(
              own,
              numbered(300, `${from}:`).filter((_, index) => index % 5 === partition),
            );
          }
        }
      }
    }
    for (const { shard } of servers.shards.brokers) assert.equal(shard.waits.count, 0);
  });

  it('is read from first, last, next, an offset and a time, exactly', async () => {
    await using servers = await ShardServers.start();
    await createTopic(servers, 't', 3);
    const [one, two] = [await servers.client(1), await servers.client(2)];
    await publish(one, 't', numbered(30), inTurn(3));
    await two.channel.prefetch(10);
    const starts = [
      'first',
      'last',
      'next',
      7,
      '1h',
      { '!': 'timestamp', value: Math.floor(Date.now() / 1000) + 3600 },
    ];
    const reads: Read[] = [];
    for (const start of starts) reads.push(await consume(two, 't', { 'x-stream-offset': start }));
    await publish(one, 't', numbered(3, 'new'), inTurn(3));
    const expected = [33, 6, 3, 12, 33, 3];
    await until(() => reads.every(({ bodies }, index) => bodies.length >= expected[index]!));
    for (const [index, { bodies }] of reads.entries())
      assert.equal(bodies.length, expected[index], `${starts[index]}`);
    assert.deepEqual([...reads[1]!.bodies].sort(), ['m27', 'm28', 'm29', 'new0', 'new1', 'new2']);
    assert.deepEqual([...reads[3]!.bodies].sort(), [
      'm21',
      'm22',
      'm23',
      'm24',
      'm25',
      'm26',
      'm27',
      'm28',
      'm29',
      'new0',
      'new1',
      'new2',
    ]);
    for (const { channel } of [one, two]) {
      assert.deepEqual(await channel.checkQueue('t'), { queue: 't', messageCount: 33, consumerCount: 6 });
    }
  });

  it('begins a `next` behind what was confirmed, each time', async () => {
    await using servers = await ShardServers.start();
    await createTopic(servers, 't', 3);
    const [writer, reader] = [await servers.client(1), await servers.client(0)];
    await reader.channel.prefetch(10);
    for (let round = 0; round < 20; round++) {
      await publish(writer, 't', numbered(3, `${round}:`), inTurn(3));
      const read = await consume(reader, 't', { 'x-stream-offset': 'next' });
      await publish(writer, 't', numbered(3, `${round}+`), inTurn(3));
      await until(() => read.bodies.length >= 3);
      assert.deepEqual([...read.bodies].sort(), numbered(3, `${round}+`));
      await reader.channel.cancel(read.tag);
    }
  });

  it('tells nothing of its offsets while nobody listens', async () => {
    await using servers = await ShardServers.start(2);
    await createTopic(servers, 't', 2);
    const one = await servers.client(1);
    await one.channel.prefetch(10);
    const read = await consume(one, 't', FIRST);
    await publish(one, 't', numbered(2), inTurn(2));
    await until(() => read.bodies.length === 2);
    await one.channel.cancel(read.tag);
    await one.channel.checkQueue('t');
    const framesTo0 = () => servers.shards.sentFrames(1, 0);
    await publish(one, 't', numbered(2), () => ({ headers: { 'x-partition': 1 } }));
    const before = framesTo0();
    await publish(one, 't', numbered(50), () => ({ headers: { 'x-partition': 1 } }));
    assert.equal(framesTo0(), before);
  });

  it('filters, and has one active consumer over all shards that the next goes on from', async () => {
    await using servers = await ShardServers.start();
    const one = await servers.client(1);
    const args = { 'x-queue-type': 'stream', 'x-single-active-consumer': true, 'x-partitions': 1 };
    await one.channel.assertQueue('s', { durable: true, arguments: args });
    const [home] = servers.shards.brokers;
    home.streams.addPartitions(home.streams.get('/', 's')!, 3, null, [1, 2]);
    await home.metadataIsSafe();
    await publish(one, 's', numbered(30), (_, index) => ({
      headers: { 'x-partition': index % 3, 'x-stream-filter-value': index % 2 === 0 ? 'even' : 'odd' },
    }));
    const two = await servers.client(2);
    for (const { channel } of [one, two]) await channel.prefetch(6);
    const first = await consume(one, 's', FIRST, false);
    const second = await consume(two, 's', { 'x-stream-offset': 'next' });
    await until(() => first.messages.length === 6);
    for (const message of first.messages.slice(0, 3)) one.channel.ack(message);
    await until(() => first.messages.length >= 9);
    const acknowledged = first.bodies.slice(0, 3);
    await one.channel.cancel(first.tag);
    await until(() => second.messages.length >= 27);
    const again = new Set(second.bodies);
    for (const body of numbered(30)) assert.equal(again.has(body) || acknowledged.includes(body), true, body);
    await two.channel.cancel(second.tag);
    const even = await consume(two, 's', { ...FIRST, 'x-stream-filter': 'even' });
    await until(() => even.messages.length === 15);
    assert.deepEqual(
      [...even.bodies].sort(),
      numbered(30)
        .filter((_, index) => index % 2 === 0)
        .sort(),
    );
  });

  it('feeds queues of all shards through its bindings, from where they were made or from the past', async () => {
    await using servers = await ShardServers.start();
    await createTopic(servers, 't', 3);
    const clients = await Promise.all([0, 1, 2].map((shard) => servers.client(shard)));
    const [, one, two] = clients as [Client, Client, Client];
    await publish(one, 't', numbered(30, 'old'), inTurn(3));
    const starts: Record<string, unknown> = {
      next: undefined,
      first: 'first',
      last: 'last',
      five: 5,
      hour: '1h',
    };
    for (const [index, [queue, start]] of Object.entries(starts).entries()) {
      await two.channel.assertQueue(queue, { arguments: { 'x-shard': index % 3 } });
      await two.channel.bindQueue(queue, 't', '#', start === undefined ? {} : { 'x-replay-from': start });
    }
    await publish(one, 't', numbered(30, 'new'), inTurn(3));
    const expected: Record<string, number> = { next: 30, first: 60, last: 33, five: 45, hour: 60 };
    for (const isAgain of [false, true]) {
      if (isAgain) {
        await servers.restart();
        const again = await servers.client(2);
        await publish(again, 't', numbered(3, 'later'), inTurn(3));
      }
      const client = await servers.client(1);
      for (const [queue, count] of Object.entries(expected)) {
        const wanted = isAgain ? 3 : count;
        const got: string[] = [];
        const { consumerTag } = await client.channel.consume(queue, (message) => {
          if (message === null) return;
          got.push(message.content.toString());
          client.channel.ack(message);
        });
        await until(() => got.length >= wanted);
        assert.equal(new Set(got).size, got.length);
        assert.equal(got.length, wanted, queue);
        await client.channel.cancel(consumerTag);
      }
      await client.channel.waitForConfirms();
    }
  });

  it('feeds an alternate exchange with what comes after a policy has said so', async () => {
    await using servers = await ShardServers.start();
    await createTopic(servers, 't', 3);
    const one = await servers.client(1);
    await one.channel.assertQueue('q', { arguments: { 'x-shard': 2 } });
    await one.channel.bindQueue('q', 'amq.fanout', '');
    await publish(one, 't', numbered(6, 'old'), inTurn(3));
    const [home] = servers.shards.brokers;
    servers.shards
      .vhost(0)
      .setPolicy({ name: 'a', pattern: '^t$', definition: { 'alternate-exchange': 'amq.fanout' } });
    await home.metadataIsSafe();
    // Where the partitions of other shards end is asked for.
    await new Promise((resolve) => setTimeout(resolve, 50));
    await publish(one, 't', numbered(6, 'new'), inTurn(3));
    await until(async () => (await one.channel.checkQueue('q')).messageCount === 6);
  });

  it('gets dead letters, delayed messages and those of a tx, from each shard, once', async () => {
    await using servers = await ShardServers.start();
    await createTopic(servers, 't', 4);
    const expected: string[] = [];
    for (const shard of [0, 1, 2]) {
      const client = await servers.client(shard);
      const { channel } = client;
      const dead = { 'x-dead-letter-exchange': 't', 'x-message-ttl': 1, 'x-shard': shard };
      await channel.assertQueue(`short${shard}`, { arguments: dead });
      await channel.assertExchange('later', 'x-delayed-message', {
        arguments: { 'x-delayed-type': 'fanout' },
      });
      await channel.bindExchange('t', 'later', '');
      const keys = (_: string, index: number) => ({
        key: `k${index}`,
        headers: { 'x-partition': index % 4 },
      });
      for (let i = 0; i < 20; i++) {
        const headers = { 'x-partition': i % 4 };
        channel.publish('', `short${shard}`, Buffer.from(`dead${shard}:${i}`), { persistent: true, headers });
      }
      await publish(client, 'later', numbered(20, `delayed${shard}:`), (body, index) => ({
        ...keys(body, index),
        headers: { 'x-delay': 10, 'x-partition': index % 4 },
      }));
      using raw = await servers.rawChannel(shard);
      raw.method(1, { name: 'tx.select' });
      await raw.expect('tx.select-ok');
      for (let i = 0; i < 20; i++)
        raw.write(publishBytes(1, 't', `k${i}`, Buffer.from(`tx${shard}:${i}`), { properties: PERSISTENT }));
      raw.method(1, { name: 'tx.commit' });
      await raw.expect('tx.commit-ok');
      for (const kind of ['dead', 'delayed', 'tx']) expected.push(...numbered(20, `${kind}${shard}:`));
    }
    const { bodies } = await readAll(servers, 2, 't', expected.length);
    assert.deepEqual([...bodies].sort(), [...expected].sort());
    await servers.restart();
    const again = await readAll(servers, 1, 't', expected.length);
    assert.deepEqual([...again.bodies].sort(), [...expected].sort());
  });

  it('gets what another stream feeds into it, in all shards', async () => {
    await using servers = await ShardServers.start();
    await createTopic(servers, 'from', 3);
    await createTopic(servers, 'into', 3);
    const one = await servers.client(1);
    await one.channel.bindExchange('into', 'from', '#');
    await publish(one, 'from', numbered(60), (_, index) => ({ key: `k${index}` }));
    const { bodies } = await readAll(servers, 0, 'into', 60);
    assert.deepEqual([...bodies].sort(), numbered(60).sort());
    const into = servers.shards.brokers.map(
      ({ streams }) => streams.get('/', 'into')!.ownPartitions[0]!.endOffset,
    );
    assert.ok(
      into.every((count) => count > 0),
      `${into}`,
    );
  });

  it('is deleted and extended while it is read and published to', async () => {
    await using servers = await ShardServers.start();
    const [home] = servers.shards.brokers;
    const stream = await createTopic(servers, 't', 3);
    const clients = await Promise.all([0, 1, 2].map((shard) => servers.client(shard)));
    const reads: Read[] = [];
    for (const client of clients) {
      await client.channel.prefetch(50);
      reads.push(await consume(client, 't', FIRST));
    }
    await publish(clients[1]!, 't', numbered(9), inTurn(3));
    home.streams.addPartitions(stream, 6, null, 'spread');
    await home.metadataIsSafe();
    await publish(clients[2]!, 't', numbered(12, 'n'), inTurn(6));
    await until(() => reads.every(({ messages }) => messages.length === 21));
    for (const { channel } of clients)
      for (let i = 0; i < 200; i++) channel.publish('t', `k${i}`, Buffer.from('late'));
    home.streams.delete(stream);
    await home.metadataIsSafe();
    // Whoever publishes to what is gone has its channel closed.
    await Promise.all(clients.map(({ channel }) => channel.waitForConfirms().catch(() => undefined)));
    for (const shard of [0, 1, 2]) {
      assert.equal(servers.shards.vhost(shard).findExchange('t'), undefined);
      await until(() => servers.shards.brokers[shard]!.shard.waits.count === 0);
    }
  });

  it('is deleted by AMQP if it is empty, as all of its shards say', async () => {
    await using servers = await ShardServers.start();
    await createTopic(servers, 't', 3);
    const one = await servers.client(1);
    await publish(one, 't', ['m'], () => ({ headers: { 'x-partition': 2 } }));
    const refused = await one.connection.createChannel();
    refused.on('error', () => undefined);
    await assert.rejects(refused.deleteQueue('t', { ifEmpty: true }), /not empty/);
    assert.deepEqual(await one.channel.deleteQueue('t'), { messageCount: 1 });
    await createTopic(servers, 't', 3);
    assert.deepEqual(await one.channel.deleteQueue('t', { ifEmpty: true }), { messageCount: 0 });
  });
});
