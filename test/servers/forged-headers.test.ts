import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Channel, type ConsumeMessage, connect } from 'amqplib';
import { BatchView } from '../../src/records/batch-view.ts';
import type { CompressionName } from '../../src/records/compression/compression.ts';
import { AmqpServer } from '../../src/servers/amqp091/server.ts';
import { errorName } from '../../src/wire/kafka/error-codes.ts';
import { fetch } from '../../src/wire/kafka/messages/fetch.ts';
import { produce } from '../../src/wire/kafka/messages/produce.ts';
import { findBatchFault } from '../../src/wire/kafka/produced-batch.ts';
import { batchOf, type TestRecord } from '../broker/streams/bindings/records.ts';
import { until } from '../support/until.ts';
import type { KafkaClient } from './kafka/kafka-client.ts';
import { KafkaTestServer } from './kafka/test-server.ts';

const STREAM = { durable: true, arguments: { 'x-queue-type': 'stream' } };

/** One broker, with a client of each protocol. */
async function withBoth(
  run: (channel: Channel, client: KafkaClient, test: KafkaTestServer) => Promise<void>,
) {
  await using test = await KafkaTestServer.start();
  const server = await AmqpServer.listen(test.broker, { host: '127.0.0.1', port: 0, closeTimeoutMs: 500 });
  const connection = await connect(`amqp://127.0.0.1:${server.port}`);
  connection.on('error', () => undefined);
  using client = await test.connect();
  try {
    await run(await connection.createChannel(), client, test);
  } finally {
    await connection.close().catch(() => undefined);
    await server.close();
  }
}

async function send(client: KafkaClient, records: Buffer, name = 's'): Promise<string | undefined> {
  const { responses } = await client.request(produce, 9, {
    acks: -1,
    timeoutMs: 1000,
    topicData: [{ name, partitionData: [{ index: 0, records }] }],
  });
  return errorName(responses[0].partitionResponses[0].errorCode);
}

async function read(client: KafkaClient, fetchOffset: number): Promise<Buffer> {
  const { responses } = await client.request(fetch, 12, {
    maxWaitMs: 1000,
    minBytes: 1,
    topics: [{ topic: 's', partitions: [{ partition: 0, fetchOffset, partitionMaxBytes: 1_000_000 }] }],
    forgottenTopicsData: [],
  });
  const found = responses[0]?.partitions[0]?.records;
  assert.ok(found);
  return Buffer.from(found.bytes.subarray(found.start, found.end));
}

/** What a stream consumer, or with `queue` another one, gets first. */
async function consume(channel: Channel, queue: string, options = {}): Promise<ConsumeMessage> {
  const messages: ConsumeMessage[] = [];
  await channel.prefetch(10);
  await channel.consume(
    queue,
    (message) => {
      if (message === null) return;
      messages.push(message);
      channel.ack(message);
    },
    options,
  );
  await until(() => messages.length > 0);
  return messages[0];
}

/** The value of the envelope that the broker itself makes of a message: taken from what it stored. */
async function envelopeOf(channel: Channel, client: KafkaClient): Promise<Buffer> {
  await channel.assertQueue('s', STREAM);
  channel.publish('', 's', Buffer.from('genuine'), {
    userId: 'guest',
    headers: { role: 'admin', 'x-death': [{ queue: 'q', reason: 'rejected', count: 3 }] },
    CC: ['other'],
  });
  const batch = await read(client, 0);
  const at = batch.indexOf('sluice.envelope') + 'sluice.envelope'.length;
  assert.ok(batch[at] > 0x7f, 'its length has two bytes');
  const length = ((batch[at] & 0x7f) | (batch[at + 1] << 7)) >>> 1;
  return batch.subarray(at + 2, at + 2 + length);
}

describe('what the broker vouches for cannot come from a client of the other protocol', () => {
  for (const codec of ['none', 'gzip', 'zstd'] as const satisfies CompressionName[]) {
    it(`a record with a forged envelope is a record: no user-id, exchange or header of it is believed (${codec})`, async () => {
      await withBoth(async (channel, client, test) => {
        const envelope = await envelopeOf(channel, client);
        await channel.assertQueue('q');
        await channel.bindQueue('q', 's', '#');
        const records: TestRecord[] = [
          { key: 'k', value: 'plain' },
          {
            key: 'k',
            value: 'forged',
            headers: [
              ['sluice.envelope', envelope],
              ['app-id', 'mirror'],
            ],
          },
        ];
        assert.equal(await send(client, batchOf(records, codec)), 'NONE');
        const consumer = await consume(channel, 's', { arguments: { 'x-stream-offset': 2 } });
        const fed = await consumeWhere(channel, 'q', 'forged');
        for (const message of [consumer, fed]) {
          assert.equal(message.content.toString(), 'forged');
          assert.equal(message.properties.userId, undefined);
          assert.equal(message.properties.appId, 'mirror');
          assert.equal(message.fields.exchange, 's');
          assert.equal(message.properties.headers?.role, undefined);
          assert.equal(message.properties.headers?.['x-death'], undefined);
          assert.equal(message.properties.headers?.CC, undefined);
        }
        // Kafka clients get what was sent, in a batch that is whole.
        const batch = await read(client, 1);
        assert.equal(findBatchFault(batch, 0, batch.length), null);
        assert.ok(new BatchView(batch, 0).hasForeignEnvelope);
        // What the broker wrote is believed, as before.
        const genuine = await read(client, 0);
        assert.ok(!new BatchView(genuine, 0).hasForeignEnvelope);
        await test.restart();
        const kept = test.broker.streams.get('/', 's');
        assert.equal(kept?.ownPartitions[0].endOffset, 3);
      });
    });
  }

  it('a genuine message keeps its user-id, exchange and headers beside them', async () => {
    await withBoth(async (channel, client) => {
      await envelopeOf(channel, client);
      const { properties, fields } = await consume(channel, 's', { arguments: { 'x-stream-offset': 0 } });
      assert.equal(properties.userId, 'guest');
      assert.equal(properties.headers?.role, 'admin');
      assert.equal(fields.exchange, '');
    });
  });

  it('headers of a record under the names in which the broker tells of records are not shown as its word', async () => {
    await withBoth(async (channel, client) => {
      await channel.assertQueue('s', STREAM);
      const names = ['key', 'timestamp', 'tombstone', 'headers', 'headers-omitted'].map(
        (name) => `x-record-${name}`,
      );
      const headers = [...names, 'x-stream-offset', 'x-stream-partition', 'h'].map(
        (name) => [name, Buffer.from([0xff, 1])] as const,
      );
      assert.equal(
        await send(client, batchOf([{ key: 'k', value: 'v', headers, timestampMs: 5000 }])),
        'NONE',
      );
      const { properties } = await consume(channel, 's', { arguments: { 'x-stream-offset': 0 } });
      const { h, ...others } = properties.headers ?? {};
      assert.deepEqual(h, Buffer.from([0xff, 1]));
      assert.deepEqual(others, { 'x-stream-offset': 0, 'x-stream-partition': 0, 'x-record-timestamp': 5000 });
    });
  });

  it('several headers CC or BCC of a record are no list of routing keys', async () => {
    await withBoth(async (channel, client) => {
      await channel.assertQueue('s', STREAM);
      await channel.assertExchange('dlx', 'direct');
      for (const queue of ['for-k', 'for-other']) {
        await channel.assertQueue(queue);
        await channel.bindQueue(queue, 'dlx', queue.slice(4));
      }
      await channel.assertQueue('q', { arguments: { 'x-dead-letter-exchange': 'dlx', 'x-message-ttl': 0 } });
      await channel.bindQueue('q', 's', '#');
      const headers = ['CC', 'CC', 'BCC', 'BCC'].map((name) => [name, 'other'] as const);
      assert.equal(await send(client, batchOf([{ key: 'k', value: 'v', headers }])), 'NONE');
      assert.equal((await consume(channel, 'for-k')).content.toString(), 'v');
      assert.equal((await channel.checkQueue('for-other')).messageCount, 0);
    });
  });

  it('an x-death that no broker wrote is dead-lettered as any other header, whatever its counts are', async () => {
    await withBoth(async (channel) => {
      await channel.assertQueue('dead');
      await channel.assertQueue('q', {
        arguments: { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead', 'x-message-ttl': 0 },
      });
      const counts = ['many', 1.5, -7, null, { '!': 'double', value: Number.NaN }, 2 ** 53 - 1, [], true];
      for (const count of counts) {
        const forged = [
          { queue: 'q', reason: 'expired', count },
          { queue: 'other', reason: 'rejected', count },
          'no table',
        ];
        channel.sendToQueue('q', Buffer.from('m'), { headers: { 'x-death': forged } });
      }
      let found = 0;
      await channel.consume('dead', () => found++, { noAck: true });
      await until(() => found === counts.length);
    });
  });
});

async function consumeWhere(channel: Channel, queue: string, content: string): Promise<ConsumeMessage> {
  let found: ConsumeMessage | null = null;
  await channel.consume(
    queue,
    (message) => {
      if (message?.content.toString() === content) found = message;
    },
    { noAck: true },
  );
  await until(() => found !== null);
  return found as unknown as ConsumeMessage;
}
