import assert from 'node:assert/strict';
import { open, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { BrokerOptions } from '../../../src/broker/broker.ts';
import type { Stream } from '../../../src/broker/streams/stream.ts';
import { transactionEndBatch } from '../../../src/records/transaction-marker.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { until } from '../../support/until.ts';
import { batchOf } from '../streams/bindings/records.ts';
import { act, sequences } from './random-stream-client.ts';
import { consume, ShardServers } from './shard-servers.ts';

const FIRST = { 'x-stream-offset': 'first' };
const KIB = 1024;
const MIB = 1024 * KIB;
const SMALL_RING = 64 * KIB;

async function createTopic(servers: ShardServers, name: string, shards: readonly number[]): Promise<void> {
  const [home] = servers.shards.brokers;
  home.streams.create({ vhost: '/', name, partitions: shards.length, configs: new Map(), shards });
  await home.metadataIsSafe();
}

function streamIn(servers: ShardServers, shard: number, name: string): Stream {
  const stream = servers.shards.brokers[shard]?.streams.get('/', name);
  assert.ok(stream !== undefined);
  return stream;
}

/** As a client of Kafka in the shard of the partition. */
async function append(servers: ShardServers, shard: number, name: string, batch: Buffer): Promise<void> {
  streamIn(servers, shard, name).ownPartitions[0]?.append(batch, 0, batch.length);
  await servers.shards.brokers[shard]?.shard.durable();
}

describe('partitions that are read from another shard', () => {
  it('give what their producers have committed, of batches of every kind', async () => {
    await using servers = await ShardServers.start(2);
    await createTopic(servers, 't', [1]);
    const client = await servers.client(1);
    await client.channel.assertQueue('q', { arguments: { 'x-shard': 0 } });
    await client.channel.bindQueue('q', 't', '#');
    await client.channel.prefetch(100);
    const read = await consume(client, 't', FIRST);
    const values = (prefix: string, count: number) =>
      Array.from({ length: count }, (_, i) => ({ key: 'k', value: `${prefix}${i}` }));
    await append(servers, 1, 't', batchOf(values('plain', 3)));
    await append(servers, 1, 't', batchOf(values('zstd', 200), 'zstd'));
    await append(servers, 1, 't', batchOf(values('aborted', 3), 'none', { producerId: 7 }));
    await append(servers, 1, 't', batchOf(values('committed', 3), 'gzip', { producerId: 8 }));
    await append(servers, 1, 't', batchOf(values('between', 3)));
    // Nothing is read that is behind what is undecided.
    await until(() => read.bodies.length === 203);
    await new Promise((resolve) => setTimeout(resolve, 30));
    assert.equal(read.bodies.length, 203);
    for (const [producerId, isCommit] of [
      [7, false],
      [8, true],
    ] as const) {
      const end = { producerId, producerEpoch: 0, coordinatorEpoch: 0, isCommit, timestampMs: Date.now() };
      await append(servers, 1, 't', transactionEndBatch(end as Parameters<typeof transactionEndBatch>[0]));
    }
    const expected = ['plain', 'zstd', 'committed', 'between'].flatMap((prefix) =>
      values(prefix, prefix === 'zstd' ? 200 : 3).map(({ value }) => value),
    );
    await until(() => read.bodies.length >= expected.length);
    assert.deepEqual(read.bodies, expected);
    await until(async () => (await client.channel.checkQueue('q')).messageCount === expected.length);
  });

  it('are read within limits for a consumer that does not take what it gets, and hold up nobody else', async () => {
    await using servers = await ShardServers.start(2, {}, SMALL_RING);
    await createTopic(servers, 't', [1, 1, 1, 1]);
    const [zero, slow, quick] = await Promise.all([0, 0, 1].map((shard) => servers.client(shard)));
    assert.ok(zero && slow && quick);
    const body = Buffer.alloc(16 * KIB);
    for (let i = 0; i < 4000; i++)
      zero.channel.publish('t', '', body, { headers: { 'x-partition': i % 4 }, persistent: true });
    await zero.channel.waitForConfirms();
    await slow.channel.prefetch(1);
    for (let i = 0; i < 20; i++) await consume(slow, 't', FIRST, false);
    const { reads } = servers.shards.readsOf(0);
    await quick.channel.prefetch(100);
    let bytesMax = 0;
    const all = await consume(quick, 't', FIRST);
    await until(() => {
      bytesMax = Math.max(bytesMax, reads.bytes);
      return all.messages.length === 4000;
    });
    // The limit, and one batch for each reader beyond it.
    assert.ok(bytesMax < 16 * MIB + 84 * 64 * KIB, `${bytesMax} bytes`);
    await slow.connection.close();
    await quick.connection.close();
    await until(() => reads.bytes === 0 && reads.listeningCount === 0);
  });

  it('are left alone when they are damaged: consumers are cancelled, and everything else goes on', async () => {
    const small: Partial<BrokerOptions> = {
      memoryLimitBytes: 64 * KIB,
      chunkBytes: 16 * KIB,
      segmentBytes: 64 * KIB,
      journalFileBytes: 64 * KIB,
      reclaimMs: 1,
    };
    await using servers = await ShardServers.start(2, small);
    await createTopic(servers, 't', [0, 1]);
    const client = await servers.client(0);
    for (let i = 0; i < 400; i++)
      client.channel.publish('t', '', Buffer.alloc(2 * KIB, 65), {
        headers: { 'x-partition': i % 2 },
        persistent: true,
      });
    await client.channel.waitForConfirms();
    const [partition] = streamIn(servers, 1, 't').ownPartitions;
    assert.ok(partition !== undefined);
    await until(() => partition.log.segments.bytes > 64 * KIB);
    await damageSegments(servers.shards.directoryOf(1), partition.id);
    await client.channel.prefetch(500);
    const read = await consume(client, 't', FIRST);
    await until(() => read.wasCancelled);
    const other = await servers.client(1);
    other.channel.publish('t', '', Buffer.from('m'), { headers: { 'x-partition': 0 } });
    await other.channel.waitForConfirms();
  });

  for (const seed of [1, 2, 3, 4, 5, 6]) {
    it(`give each consumer what was confirmed, once and in order, whatever clients do (${seed})`, async () => {
      await using servers = await ShardServers.start(3, {}, seed % 2 === 0 ? SMALL_RING : undefined);
      const random = seededRandom(seed);
      await createTopic(servers, 't', [1, 2, 0, 1, 2]);
      const clients = await Promise.all([0, 1, 2, 1, 2].map((shard) => servers.client(shard)));
      await clients[0]!.channel.assertQueue('bound', { arguments: { 'x-shard': 2 } });
      await clients[0]!.channel.bindQueue('bound', 't', '#');
      await Promise.all(clients.map((client, index) => act(client, 't', random, `${index}`)));
      const reads = await Promise.all(
        clients.map(async (client) => {
          const channel = await client.connection.createConfirmChannel();
          await channel.prefetch(1 + Math.floor(random() * 20));
          return await consume({ ...client, channel }, 't', FIRST);
        }),
      );
      await until(() => reads.every(({ messages }) => messages.length >= clients.length * 100));
      const [first] = reads.map(({ messages }) => sequences(messages));
      for (const read of reads) assert.deepEqual(sequences(read.messages), first);
      for (const sequence of first?.values() ?? []) {
        assert.deepEqual(
          sequence.map(([offset]) => offset),
          sequence.map((_, index) => index),
        );
      }
      const moved: string[] = [];
      await clients[0]!.channel.consume('bound', (message) => {
        if (message !== null) moved.push(message.content.toString('latin1').split('.')[0]!);
      });
      await until(() => moved.length >= clients.length * 100);
      const published = clients.flatMap((_, index) =>
        Array.from({ length: 100 }, (_, i) => `${index}:${i}:`),
      );
      assert.deepEqual([...moved].sort(), published.sort());
    });
  }
});

/** A byte in the middle of each segment of the log is another one. */
async function damageSegments(directory: string, logId: number): Promise<void> {
  const names = await readdir(directory, { recursive: true });
  const segments = names.filter((name) => name.startsWith(`logs/${logId}/`) && name.endsWith('.log'));
  assert.ok(segments.length > 0, `${names}`);
  for (const name of segments) {
    const file = await open(join(directory, name), 'r+');
    const { size } = await file.stat();
    if (size > 0) await file.write(Buffer.from([0xff, 0xff, 0xff, 0xff]), 0, 4, Math.floor(size / 2));
    await file.close();
  }
}
