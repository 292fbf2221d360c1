import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import kafkajs from 'kafkajs';
import { ZERO_UUID } from '../../../src/wire/kafka/declaration.ts';
import { errorName } from '../../../src/wire/kafka/error-codes.ts';
import { fetch } from '../../../src/wire/kafka/messages/fetch.ts';
import { listOffsets } from '../../../src/wire/kafka/messages/offsets.ts';
import { produce } from '../../../src/wire/kafka/messages/produce.ts';
import { deleteTopics } from '../../../src/wire/kafka/messages/topics.ts';
import { batchOf } from '../../broker/streams/batches.ts';
import { until } from '../../support/until.ts';
import type { KafkaClient } from './kafka-client.ts';
import { KafkaShards } from './kafka-shards.ts';

const { Kafka, logLevel } = kafkajs;
const MIB = 1024 * 1024;

async function send(client: KafkaClient, index: number): Promise<string | undefined> {
  const { responses } = await client.request(produce, 9, {
    acks: -1,
    timeoutMs: 1000,
    topicData: [{ name: 't', partitionData: [{ index, records: batchOf([`for ${index}`]) }] }],
  });
  return errorName(responses[0]!.partitionResponses[0]!.errorCode);
}

async function read(client: KafkaClient, partition: number, { maxWaitMs = 0, fetchOffset = 0 } = {}) {
  const { responses } = await client.request(fetch, 12, {
    maxWaitMs,
    minBytes: 1,
    maxBytes: MIB,
    topics: [{ topic: 't', partitions: [{ partition, fetchOffset, partitionMaxBytes: MIB }] }],
    forgottenTopicsData: [],
  });
  const { errorCode, highWatermark } = responses[0]!.partitions[0]!;
  return [errorName(errorCode), highWatermark];
}

describe('records of a topic that is in several shards', () => {
  it('are produced and fetched at the broker that leads their partition, and at no other', async () => {
    await using test = await KafkaShards.start();
    const clients = await Promise.all([0, 1, 2].map((shard) => test.connect(shard)));
    try {
      await test.createTopic(clients[0]!, 't');
      for (const [shard, client] of clients.entries()) {
        for (const index of [0, 1, 2]) {
          const expected = index === shard ? 'NONE' : 'NOT_LEADER_OR_FOLLOWER';
          assert.equal(await send(client, index), expected);
          const [error, highWatermark] = await read(client, index);
          assert.equal(error, expected);
          if (index === shard) assert.equal(highWatermark, 1);
          const { topics } = await client.request(listOffsets, 5, {
            replicaId: -1,
            topics: [{ name: 't', partitions: [{ partitionIndex: index, timestamp: -1 }] }],
          });
          assert.equal(errorName(topics[0]!.partitions[0]!.errorCode), expected);
        }
      }
    } finally {
      for (const client of clients) client.socket.destroy();
    }
  });

  it('end a fetch that waits for them when their topic is deleted at another broker', async () => {
    await using test = await KafkaShards.start();
    using reader = await test.connect(2);
    using other = await test.connect(1);
    await test.createTopic(other, 't');
    const waiting = read(reader, 2, { maxWaitMs: 60_000 });
    await other.request(deleteTopics, 6, {
      topics: [{ name: 't', topicId: ZERO_UUID }],
      timeoutMs: 1000,
    });
    assert.equal((await waiting)[0], 'UNKNOWN_TOPIC_OR_PARTITION');
  });

  it('are written by an idempotent producer and read by a group, from one bootstrap address', async () => {
    await using test = await KafkaShards.start();
    const client = (shard: number) =>
      new Kafka({ brokers: [`127.0.0.1:${test.ports[shard]}`], logLevel: logLevel.NOTHING });
    const admin = client(1).admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic: 't', numPartitions: 6 }] });
    const producer = client(2).producer({ idempotent: true });
    await producer.connect();
    const sent = Array.from({ length: 60 }, (_, i) => `${i}`);
    await producer.send({ topic: 't', messages: sent.map((value) => ({ key: value, value })) });
    const received: string[] = [];
    const consumers = [0, 1].map((shard) =>
      client(shard).consumer({ groupId: 'g', heartbeatInterval: 100, maxWaitTimeInMs: 200 }),
    );
    try {
      for (const consumer of consumers) {
        await consumer.connect();
        await consumer.subscribe({ topics: ['t'], fromBeginning: true });
        await consumer.run({
          eachMessage: async ({ message }) => void received.push(String(message.value)),
        });
      }
      await until(() => received.length >= sent.length);
      assert.deepEqual(
        received
          .map(Number)
          .sort((a, b) => a - b)
          .map(String),
        sent,
      );
      const shards = test
        .broker(0)
        .streams.get('/', 't')
        ?.partitions.map(({ shard }) => shard);
      assert.deepEqual(shards, [0, 1, 2, 0, 1, 2]);
    } finally {
      await Promise.all(consumers.map((consumer) => consumer.disconnect()));
      await producer.disconnect();
    }
    const offsets = await admin.fetchOffsets({ groupId: 'g', topics: ['t'] });
    const total = offsets[0]!.partitions.reduce((sum, { offset }) => sum + Math.max(0, Number(offset)), 0);
    assert.equal(total, sent.length);
    const { groups } = await admin.listGroups();
    assert.deepEqual(
      groups.map(({ groupId }) => groupId),
      ['g'],
    );
    await admin.disconnect();
  });
});
