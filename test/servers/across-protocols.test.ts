import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type ChannelModel, connect } from 'amqplib';
import { Kafka, type KafkaMessage, logLevel, Partitioners } from 'kafkajs';
import { asLocal } from '../../src/broker/queues/any-queue.ts';
import { AmqpServer } from '../../src/servers/amqp091/server.ts';
import { until } from '../support/until.ts';
import { KafkaTestServer } from './kafka/test-server.ts';

/** One broker, with a client of each protocol. */
class BothServers {
  readonly kafkaServer: KafkaTestServer;
  readonly amqpServer: AmqpServer;
  readonly kafka: Kafka;
  readonly amqp: ChannelModel;

  private constructor(kafkaServer: KafkaTestServer, amqpServer: AmqpServer, amqp: ChannelModel) {
    this.kafkaServer = kafkaServer;
    this.amqpServer = amqpServer;
    this.amqp = amqp;
    this.kafka = new Kafka({ brokers: [kafkaServer.address], logLevel: logLevel.NOTHING });
  }

  static async start(): Promise<BothServers> {
    const kafkaServer = await KafkaTestServer.start();
    const amqpServer = await AmqpServer.listen(kafkaServer.broker, {
      host: '127.0.0.1',
      port: 0,
      closeTimeoutMs: 500,
    });
    const amqp = await connect(`amqp://127.0.0.1:${amqpServer.port}`);
    return new BothServers(kafkaServer, amqpServer, amqp);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.amqp.close();
    await this.amqpServer.close();
    await this.kafkaServer[Symbol.asyncDispose]();
  }

  async createTopic(topic: string, numPartitions: number): Promise<void> {
    const admin = this.kafka.admin();
    await admin.connect();
    await admin.createTopics({ topics: [{ topic, numPartitions }] });
    await admin.disconnect();
  }

  /** The first records of a topic, as many as are asked for, with the partitions they are in. */
  async read(topic: string, count: number): Promise<{ partition: number; message: KafkaMessage }[]> {
    const consumer = this.kafka.consumer({ groupId: `readers of ${topic}` });
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    const found: { partition: number; message: KafkaMessage }[] = [];
    await consumer.run({
      eachMessage: async ({ partition, message }) => {
        found.push({ partition, message });
      },
    });
    await until(() => found.length >= count);
    await consumer.disconnect();
    return found;
  }
}

describe('what an AMQP client publishes to a topic', () => {
  test('is read by Kafka clients, with its key and headers', async () => {
    await using servers = await BothServers.start();
    await servers.createTopic('t', 1);
    const channel = await servers.amqp.createConfirmChannel();
    channel.publish('t', 'the.key', Buffer.from('body'), {
      contentType: 'application/json',
      headers: { text: 'grüße', number: 42, list: [1, 'two'] },
    });
    channel.publish('', 't', Buffer.from('by the default exchange'));
    await channel.waitForConfirms();
    const [first, second] = await servers.read('t', 2);
    assert.equal(first?.message.key?.toString(), 'the.key');
    assert.equal(first?.message.value?.toString(), 'body');
    const { 'sluice.envelope': envelope, ...headers } = first?.message.headers ?? {};
    assert.ok(Buffer.isBuffer(envelope));
    assert.deepEqual(
      Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)])),
      { 'content-type': 'application/json', text: 'grüße', number: '42', list: '[1,"two"]' },
    );
    assert.equal(second?.message.key, null);
    assert.equal(second?.message.value?.toString(), 'by the default exchange');
  });

  test('is routed on by its hidden keys, which no reader sees, wherever else it went', async () => {
    await using servers = await BothServers.start();
    await servers.createTopic('t', 1);
    const channel = await servers.amqp.createConfirmChannel();
    await channel.assertExchange('all', 'fanout');
    await channel.bindExchange('t', 'all', '');
    for (const [queue, exchange, key] of [
      ['beside', 'all', ''],
      ['blind', 't', 'b'],
      ['copied', 't', 'c'],
    ] as const) {
      await channel.assertQueue(queue);
      await channel.bindQueue(queue, exchange, key);
    }
    channel.publish('all', 'k', Buffer.from('m'), { headers: { CC: ['c'], BCC: ['b'] } });
    await channel.waitForConfirms();
    for (const queue of ['beside', 'blind', 'copied']) {
      const found: object[] = [];
      await channel.consume(queue, (message) => found.push(message?.properties.headers ?? {}), {
        noAck: true,
      });
      await until(() => found.length > 0);
      assert.deepEqual(found, [{ CC: ['c'] }], queue);
    }
    const [record] = await servers.read('t', 1);
    assert.deepEqual(Object.keys(record?.message.headers ?? {}), ['sluice.envelope', 'CC']);
  });

  test('is in the partition where a Kafka client puts what has the same key', async () => {
    await using servers = await BothServers.start();
    await servers.createTopic('amqp', 7);
    await servers.createTopic('kafka', 7);
    const keys = Array.from({ length: 40 }, (_, i) => `customer.${i * 7919}`);
    const channel = await servers.amqp.createConfirmChannel();
    for (const key of keys) channel.publish('amqp', key, Buffer.from(key));
    await channel.waitForConfirms();
    const producer = servers.kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
    await producer.connect();
    await producer.send({ topic: 'kafka', messages: keys.map((key) => ({ key, value: key })) });
    await producer.disconnect();
    const partitionsOf = async (topic: string): Promise<unknown> => {
      const found = await servers.read(topic, keys.length);
      return Object.fromEntries(found.map(({ partition, message }) => [String(message.key), partition]));
    };
    const partitions = await partitionsOf('amqp');
    assert.deepEqual(partitions, await partitionsOf('kafka'));
    assert.ok(new Set(Object.values(partitions as object)).size > 4);
  });
});

describe('what a Kafka client produces', () => {
  test('reaches queues when its transaction is committed, and not if that is aborted', async () => {
    await using servers = await BothServers.start();
    await servers.createTopic('t', 1);
    const channel = await servers.amqp.createChannel();
    await channel.assertQueue('q');
    await channel.bindQueue('q', 't', '#');
    const producer = servers.kafka.producer({
      transactionalId: 'tx',
      idempotent: true,
      maxInFlightRequests: 1,
    });
    await producer.connect();
    for (const [value, isCommit] of [
      ['one', true],
      ['two', false],
      ['three', true],
    ] as const) {
      const transaction = await producer.transaction();
      await transaction.send({ topic: 't', messages: [{ key: 'k', value, headers: { h: value } }] });
      if (isCommit) await transaction.commit();
      else await transaction.abort();
    }
    await producer.disconnect();
    const found: string[] = [];
    await channel.consume(
      'q',
      (message) =>
        found.push(`${message?.content}/${message?.properties.headers?.h}/${message?.fields.routingKey}`),
      { noAck: true },
    );
    await until(() => found.length === 2);
    assert.deepEqual(found, ['one/one/k', 'three/three/k']);
  });

  test('in compressed batches is delivered, rejected, and dead-lettered to another topic', async () => {
    await using servers = await BothServers.start();
    await servers.createTopic('in', 1);
    await servers.createTopic('failed', 1);
    const channel = await servers.amqp.createChannel();
    await channel.assertQueue('work', { deadLetterExchange: 'failed' });
    await channel.bindQueue('work', 'in', '#');
    const producer = servers.kafka.producer();
    await producer.connect();
    const messages = Array.from({ length: 20 }, (_, i) => ({ key: `k${i}`, value: `v${i}` }));
    // 1: gzip
    await producer.send({ topic: 'in', compression: 1, messages });
    await producer.disconnect();
    await channel.consume('work', (message) => {
      if (message === null) return;
      if (Number(message.fields.routingKey.slice(1)) % 2 === 0) channel.ack(message);
      else channel.reject(message, false);
    });
    const failed = await servers.read('failed', 10);
    assert.deepEqual(
      failed.map(({ message }) => `${message.key}=${message.value}`),
      Array.from({ length: 10 }, (_, i) => `k${2 * i + 1}=v${2 * i + 1}`),
    );
    assert.match(String(failed[0]?.message.headers?.['x-death']), /"reason":"rejected"/);
    await until(
      () => asLocal(servers.kafkaServer.broker.vhosts.get('/')?.findQueue('work'))?.isBalanced === true,
    );
  });
});
