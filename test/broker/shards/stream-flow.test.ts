import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Options } from 'amqplib';
import { KafkaServer } from '../../../src/servers/kafka/server.ts';
import { fetch } from '../../../src/wire/kafka/messages/fetch.ts';
import { produce } from '../../../src/wire/kafka/messages/produce.ts';
import { createPartitions, createTopics, deleteTopics } from '../../../src/wire/kafka/messages/topics.ts';
import { KafkaClient } from '../../servers/kafka/kafka-client.ts';
import { topic } from '../../servers/kafka/new-topic.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { until } from '../../support/until.ts';
import { batchOf } from '../streams/bindings/records.ts';
import { act, sequences } from './random-stream-client.ts';
import { type Client, consume, ShardServers } from './shard-servers.ts';

const STREAM: Options.AssertQueue = { durable: true, arguments: { 'x-queue-type': 'stream' } };
const FIRST = { 'x-stream-offset': 'first' };
const KIB = 1024;
const MIB = 1024 * KIB;
/** Frames of more than an eighth of this are large ones. */
const SMALL_RING = 64 * KIB;

describe('a topic of Kafka, of which clients of AMQP in all shards know', () => {
  it('is there when it is made, has what both have written, gets partitions, and goes', async () => {
    await using servers = await ShardServers.start();
    const [home] = servers.shards.brokers;
    const server = await KafkaServer.listen(home, {
      host: '127.0.0.1',
      port: 0,
      closeTimeoutMs: 500,
      anonymousUser: 'guest',
    });
    try {
      const kafka = await KafkaClient.connect(server.port);
      await kafka.request(createTopics, 7, { topics: [topic('t')], timeoutMs: 1000 });
      const [one, two] = [await servers.client(1), await servers.client(2)];
      two.channel.publish('t', 'key', Buffer.from('of AMQP'), { headers: { h: 'v' } });
      await two.channel.waitForConfirms();
      const records = batchOf([{ key: 'k', value: 'of Kafka', headers: [['h', 'w']] }]);
      const sent = { name: 't', partitionData: [{ index: 0, records }] };
      await kafka.request(produce, 9, { acks: -1, timeoutMs: 1000, topicData: [sent] });
      await one.channel.prefetch(10);
      const read = await consume(one, 't', FIRST);
      await until(() => read.messages.length === 2);
      assert.deepEqual(
        read.messages.map(({ fields, properties, content }) => [
          fields.routingKey,
          properties.headers?.h,
          content.toString(),
        ]),
        [
          ['key', 'v', 'of AMQP'],
          ['k', 'w', 'of Kafka'],
        ],
      );
      const partition = { partition: 0, fetchOffset: 0, partitionMaxBytes: MIB, currentLeaderEpoch: -1 };
      const fetched = await kafka.request(fetch, 12, {
        maxWaitMs: 0,
        minBytes: 1,
        maxBytes: MIB,
        topics: [{ topic: 't', partitions: [partition] }],
        forgottenTopicsData: [],
      });
      const slice = fetched.responses[0]?.partitions[0]?.records;
      assert.ok(slice?.bytes.subarray(slice.start, slice.end).includes('of AMQP'));
      const more = { name: 't', count: 3, assignments: null };
      await kafka.request(createPartitions, 3, { topics: [more], timeoutMs: 1000, validateOnly: false });
      one.channel.publish('t', 'k', Buffer.from('new'), { headers: { 'x-partition': 2 } });
      await one.channel.waitForConfirms();
      await until(() => read.messages.length === 3);
      assert.equal(read.messages[2]?.properties.headers?.['x-stream-partition'], 2);
      await kafka.request(deleteTopics, 5, { topicNames: ['t'], timeoutMs: 1000 });
      await until(() => read.wasCancelled);
      for (const shard of [0, 1, 2]) assert.equal(servers.shards.vhost(shard).findExchange('t'), undefined);
      kafka.socket.destroy();
    } finally {
      await server.close();
    }
  });
});

describe('records on their way between shards', () => {
  it('pause their publishers when too many are not durable, and go on when they are', async () => {
    await using servers = await ShardServers.start();
    const { channel } = await servers.client(1);
    await channel.assertQueue('s', STREAM);
    const [home] = servers.shards.brokers;
    const partition = home.streams.get('/', 's')?.ownPartitions[0];
    assert.ok(partition !== undefined);
    const { journal } = home.shard.store;
    const commit = journal.commit.bind(journal);
    journal.commit = () => undefined;
    const body = Buffer.alloc(64 * KIB);
    for (let i = 0; i < 800; i++) channel.sendToQueue('s', body);
    await until(() => partition.endOffset > 250);
    for (let i = 0; i < 50; i++) await new Promise((resolve) => setTimeout(resolve, 2));
    assert.ok(partition.endOffset < 400, `${partition.endOffset} of 800 are on their way`);
    journal.commit = commit;
    home.shard.turn.schedule();
    await channel.waitForConfirms();
    await until(() => partition.highWatermark === 800);
    assert.equal(servers.shards.brokers[1].shard.waits.count, 0);
  });

  it('go by a small ring, whatever their size', async () => {
    await using servers = await ShardServers.start(2, {}, SMALL_RING);
    const one = await servers.client(1);
    await one.channel.assertQueue('s', STREAM);
    const random = seededRandom(1);
    const sizes = Array.from({ length: 300 }, () =>
      Math.floor(random() < 0.1 ? random() * 200 * KIB : random() * 2 * KIB),
    );
    for (const size of sizes) one.channel.sendToQueue('s', Buffer.alloc(size, size & 0xff));
    await one.channel.waitForConfirms();
    await one.channel.prefetch(50);
    const { messages } = await consume(one, 's', FIRST);
    await until(() => messages.length === sizes.length);
    assert.deepEqual(
      messages.map(({ content }) => content.length),
      sizes,
    );
    assert.ok(messages.every(({ content }) => content.every((byte) => byte === (content.length & 0xff))));
  });

  it('wait for a consumer that does not read, within limits, and hold up nobody else', async () => {
    await using servers = await ShardServers.start(2, {}, SMALL_RING);
    const [zero, slow, quick] = await Promise.all([0, 1, 1].map((shard) => servers.client(shard)));
    await quick.channel.assertQueue('s', STREAM);
    const body = Buffer.alloc(4 * KIB);
    for (let i = 0; i < 8000; i++) zero.channel.sendToQueue('s', body);
    await zero.channel.waitForConfirms();
    await slow.channel.prefetch(10_000);
    await quick.channel.prefetch(100);
    const late = await consume(slow, 's', FIRST);
    const goOn = stopReading(slow);
    const all = await consume(quick, 's', FIRST);
    await until(() => all.messages.length === 8000);
    // The records that are kept, and the output that its socket does not take.
    const { bytes } = servers.shards.brokers[1].budget.memory;
    assert.ok(bytes < 2 * MIB, `${bytes} bytes are held`);
    goOn();
    await until(() => late.messages.length === 8000);
    assert.deepEqual(
      late.messages.map(({ properties }) => properties.headers?.['x-stream-offset']),
      Array.from({ length: 8000 }, (_, i) => i),
    );
  });

  for (const seed of [1, 2, 3, 4]) {
    it(`come to every consumer once and in order, whatever clients do (${seed})`, async () => {
      await using servers = await ShardServers.start(3, {}, seed % 2 === 0 ? SMALL_RING : undefined);
      const random = seededRandom(seed);
      const clients = await Promise.all([0, 1, 2, 1, 2].map((shard) => servers.client(shard)));
      await clients[1]?.channel.assertExchange('x', 'x-stream', { arguments: { 'x-partitions': 3 } });
      await Promise.all(clients.map((client, index) => act(client, 'x', random, `${index}`)));
      const reads = await Promise.all(
        clients.map(async (client) => {
          const channel = await client.connection.createConfirmChannel();
          await channel.prefetch(1 + Math.floor(random() * 20));
          return await consume({ ...client, channel }, 'x', FIRST);
        }),
      );
      await until(() => reads.every(({ messages }) => messages.length === clients.length * 100));
      const [first] = reads.map(({ messages }) => sequences(messages));
      for (const read of reads) assert.deepEqual(sequences(read.messages), first);
      for (const sequence of first?.values() ?? []) {
        assert.deepEqual(
          sequence.map(([offset]) => offset),
          sequence.map((_, index) => index),
        );
      }
    });
  }
});

/** The client takes nothing from its socket, until what this returns is called. */
function stopReading({ connection }: Client): () => void {
  const { stream } = (connection as unknown as { connection: { stream: NodeJS.ReadStream } }).connection;
  const listeners = stream.listeners('readable') as (() => void)[];
  stream.removeAllListeners('readable');
  return () => {
    for (const listener of listeners) stream.on('readable', listener);
    stream.emit('readable');
  };
}
