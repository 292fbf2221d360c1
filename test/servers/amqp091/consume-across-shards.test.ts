import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { type ChannelModel, type ConsumeMessage, connect } from 'amqplib';
import { AmqpServer } from '../../../src/servers/amqp091/server.ts';
import { isNothingLeft, queueAt } from '../../broker/shards/shard-consumer.ts';
import { TestShards } from '../../broker/shards/test-shards.ts';
import { until } from '../../support/until.ts';
import { RawClient } from './raw-client.ts';

const REPLY_TO = 'amq.rabbitmq.reply-to';
const CONSUME = { noLocal: false, noAck: false, exclusive: false, noWait: false, arguments: {} };

/** Three shards, with a server each. */
class ShardServers {
  readonly shards: TestShards;
  readonly #servers: readonly AmqpServer[];
  readonly #connections: ChannelModel[] = [];

  static async start(ringBytes?: number): Promise<ShardServers> {
    const shards = await TestShards.start(3, {}, ringBytes);
    const servers: AmqpServer[] = [];
    for (const broker of shards.brokers) {
      const options = { host: '127.0.0.1', port: 0, closeTimeoutMs: 500, outputHighWaterBytes: 200_000 };
      servers.push(await AmqpServer.listen(broker, options));
    }
    return new ShardServers(shards, servers);
  }

  private constructor(shards: TestShards, servers: readonly AmqpServer[]) {
    this.shards = shards;
    this.#servers = servers;
  }

  async connect(shard: number): Promise<ChannelModel> {
    const connection = await connect(`amqp://127.0.0.1:${this.#servers[shard].port}?heartbeat=0`);
    connection.on('error', () => undefined);
    this.#connections.push(connection);
    return connection;
  }

  portOf(shard: number): number {
    return this.#servers[shard].port;
  }

  async raw(shard: number): Promise<RawClient> {
    const client = await RawClient.connect(this.#servers[shard].port);
    await client.handshake();
    client.method(1, { name: 'channel.open' });
    await client.expect('channel.open-ok');
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const connection of this.#connections) await connection.close().catch(() => undefined);
    for (const server of this.#servers) await server.close();
    await this.shards[Symbol.asyncDispose]();
  }
}

describe('clients of different shards', () => {
  let test: ShardServers;
  before(async () => {
    test = await ShardServers.start();
  });
  after(() => test[Symbol.asyncDispose]());

  async function fill(queue: string, count: number, bytes = 10): Promise<void> {
    const channel = await (await test.connect(1)).createConfirmChannel();
    await channel.assertQueue(queue, { arguments: { 'x-shard': 1 } });
    for (let i = 0; i < count; i++) channel.sendToQueue(queue, Buffer.from(String(i).padEnd(bytes, '.')));
    await channel.waitForConfirms();
  }

  it('consume from one queue together, each message once', async () => {
    await fill('shared', 600);
    const seen: string[] = [];
    for (const shard of [0, 1, 2]) {
      const channel = await (await test.connect(shard)).createChannel();
      await channel.prefetch(10);
      await channel.consume('shared', (message) => {
        if (message === null) return;
        seen.push(message.content.toString());
        channel.ack(message);
      });
    }
    await until(() => seen.length >= 600);
    await until(() => queueAt(test.shards, 'shared').unacknowledgedCount === 0);
    assert.equal(new Set(seen).size, 600);
    assert.equal(seen.length, 600);
    assert.ok(queueAt(test.shards, 'shared').isBalanced);
  });

  it('call each other: an answer leads to the shard of who asked', async () => {
    const server = await (await test.connect(2)).createChannel();
    await server.assertQueue('double', { arguments: { 'x-shard': 1 } });
    await server.consume('double', async (request) => {
      if (request === null) return;
      const replyTo = request.properties.replyTo as string;
      const there = await server.checkQueue(replyTo);
      assert.deepEqual(there, { queue: replyTo, messageCount: 0, consumerCount: 1 });
      server.ack(request);
      const size = Number(request.content);
      server.sendToQueue(replyTo, Buffer.alloc(size, 'x'), { mandatory: true, correlationId: String(size) });
    });
    const client = await (await test.connect(0)).createChannel();
    const answers: ConsumeMessage[] = [];
    await client.consume(REPLY_TO, (message) => message && answers.push(message), { noAck: true });
    // The last one is larger than a frame of the ring.
    for (const size of [0, 10, 1_000_000]) {
      client.sendToQueue('double', Buffer.from(String(size)), { replyTo: REPLY_TO });
      await until(() => answers.at(-1)?.properties.correlationId === String(size));
      assert.equal(answers.at(-1)?.content.length, size);
    }
  });

  it('learn that who asked is gone', async () => {
    const client = await (await test.connect(0)).createChannel();
    const server = await (await test.connect(2)).createChannel();
    server.on('error', () => undefined);
    await server.assertQueue('requests', { arguments: { 'x-shard': 2 } });
    await client.consume(REPLY_TO, () => undefined, { noAck: true });
    client.sendToQueue('requests', Buffer.from('?'), { replyTo: REPLY_TO });
    let replyTo = '';
    await until(async () => {
      const request = await server.get('requests', { noAck: true });
      if (request !== false) replyTo = request.properties.replyTo as string;
      return replyTo !== '';
    });
    assert.match(replyTo, /^amq\.rabbitmq\.reply-to\.[\w-]{22}\.0$/);
    await client.close();
    await assert.rejects(server.checkQueue(replyTo), /404.*NOT_FOUND - no queue/);
  });

  it('leave no consumer behind when they end before they are told that they have one', async () => {
    await fill('quick', 5);
    const queue = queueAt(test.shards, 'quick');
    const connectionsBefore = test.shards.brokers[0].connections.size;
    const remoteBefore = test.shards.brokers[0].consumersElsewhere?.remote;
    for (let i = 0; i < 20; i++) {
      const client = await test.raw(0);
      client.method(1, { name: 'basic.consume', queue: 'quick', consumerTag: 'c', ...CONSUME });
      client.socket.destroySoon();
    }
    await until(() => test.shards.brokers[0].connections.size === connectionsBefore);
    await until(() => queue.consumerCount === 0 && queue.readyCount === 5);
    await until(() => test.shards.brokers[0].consumersElsewhere?.remote === remoteBefore);
    assert.ok(queue.isBalanced);
  });

  it('do not wait for one that does not read', async () => {
    await fill('slow', 600, 20_000);
    await fill('lively', 300);
    const slow = await test.raw(0);
    slow.method(1, { name: 'basic.consume', queue: 'slow', consumerTag: 'c', ...CONSUME });
    await slow.expect('basic.consume-ok');
    slow.socket.pause();
    const queue = queueAt(test.shards, 'slow');
    await until(() => queue.unacknowledgedCount > 0);
    const channel = await (await test.connect(0)).createChannel();
    let count = 0;
    await channel.consume('lively', () => count++, { noAck: true });
    await until(() => count === 300);
    slow[Symbol.dispose]();
    await until(() => queue.readyCount === 600);
    assert.ok(queue.isBalanced);
  });

  it('learn how many messages went with a queue, and of its end after the answer', async () => {
    for (const shard of [0, 1, 2]) {
      await fill(`gone${shard}`, 7);
      const client = await RawClient.connect(test.portOf(shard));
      await client.handshake({}, { consumer_cancel_notify: true });
      client.method(1, { name: 'channel.open' });
      await client.expect('channel.open-ok');
      const deletion = { ifUnused: false, ifEmpty: false, noWait: false };
      client.method(1, { name: 'queue.delete', queue: `gone${shard}`, ...deletion });
      assert.equal((await client.expect('queue.delete-ok')).messageCount, 7);
      await fill(`watched${shard}`, 0);
      client.method(1, { name: 'basic.consume', queue: `watched${shard}`, consumerTag: 'c', ...CONSUME });
      await client.expect('basic.consume-ok');
      client.method(1, { name: 'queue.delete', queue: `watched${shard}`, ...deletion });
      await client.expect('queue.delete-ok');
      await client.expect('basic.cancel');
      client[Symbol.dispose]();
    }
  });

  it('leave nothing behind', async () => {
    await test[Symbol.asyncDispose]().catch(() => undefined);
    test = await ShardServers.start(65_536);
    await fill('q', 50, 30_000);
    const channel = await (await test.connect(2)).createChannel();
    const seen: number[] = [];
    await channel.consume('q', (message) => {
      if (message === null) return;
      seen.push(Number.parseInt(message.content.toString(), 10));
      if (seen.length % 3 === 0) channel.ack(message, true);
    });
    await until(() => seen.length === 50);
    assert.deepEqual(
      seen,
      Array.from({ length: 50 }, (_, i) => i),
    );
    await channel.close();
    await until(() => isNothingLeft(test.shards));
    assert.equal(queueAt(test.shards, 'q').readyCount, 2);
  });
});
