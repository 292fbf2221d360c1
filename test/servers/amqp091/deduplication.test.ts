import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ConfirmChannel, GetMessage } from 'amqplib';
import type { Queue } from '../../../src/broker/queues/queue.ts';
import { until } from '../../support/until.ts';
import { TestServer } from './test-server.ts';

const DEDUPLICATES = { 'x-message-deduplication': true };

/** A deduplicating queue `q`, beside others that its messages may go to. */
class Scene implements AsyncDisposable {
  readonly queue: Queue;
  readonly channel: ConfirmChannel;
  readonly test: TestServer;
  readonly #disconnect: () => PromiseLike<void>;

  private constructor(
    test: TestServer,
    channel: ConfirmChannel,
    queue: Queue,
    disconnect: () => PromiseLike<void>,
  ) {
    this.test = test;
    this.channel = channel;
    this.queue = queue;
    this.#disconnect = disconnect;
  }

  static async start(args: object = {}): Promise<Scene> {
    const test = await TestServer.start();
    const connection = await test.connect();
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue('dead');
    await channel.assertQueue('q', { arguments: { ...DEDUPLICATES, ...args } });
    const queue = test.queue('q') as Queue;
    return new Scene(test, channel, queue, () => connection[Symbol.asyncDispose]());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#disconnect();
    await this.test[Symbol.asyncDispose]();
  }

  async publish(name: unknown, options: object = {}): Promise<void> {
    this.channel.sendToQueue('q', Buffer.from('m'), {
      persistent: true,
      headers: { 'x-deduplication-header': name },
      ...options,
    });
    await this.channel.waitForConfirms();
  }

  async get(): Promise<GetMessage> {
    const message = await this.channel.get('q');
    assert.ok(message !== false);
    return message;
  }
}

/** How a message leaves a queue: arguments of that, and what somebody does. */
const WAYS: Readonly<Record<string, readonly [args: object, leave: (scene: Scene) => unknown]>> = {
  'is acknowledged': [{}, async ({ channel }) => channel.ack((await channel.get('q')) as GetMessage)],
  'is fetched without acknowledgement': [{}, ({ channel }) => channel.get('q', { noAck: true })],
  'is delivered without acknowledgement': [
    {},
    async ({ channel, queue }) => {
      const { consumerTag } = await channel.consume('q', () => undefined, { noAck: true });
      await until(() => queue.readyCount === 0);
      await channel.cancel(consumerTag);
    },
  ],
  'is rejected': [
    {},
    async ({ channel }) => channel.nack((await channel.get('q')) as GetMessage, false, false),
  ],
  'is dead-lettered': [
    { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead' },
    async ({ channel }) => channel.nack((await channel.get('q')) as GetMessage, false, false),
  ],
  'failed too often': [
    { 'x-delivery-limit': 0 },
    async ({ channel }) => channel.reject((await channel.get('q')) as GetMessage, true),
  ],
  expires: [{ 'x-message-ttl': 1 }, ({ queue }) => until(() => queue.readyCount === 0)],
  'is dropped for another one': [{ 'x-max-length': 1 }, (scene) => scene.publish('another')],
  'is purged': [{}, ({ channel }) => channel.purgeQueue('q')],
  'is deleted with its queue': [
    {},
    async ({ channel }) => {
      await channel.deleteQueue('q');
      await channel.assertQueue('q', { arguments: DEDUPLICATES });
    },
  ],
};

describe('a queue that deduplicates', () => {
  it('takes no second message of a name while the first is there, ready or at a consumer', async () => {
    await using scene = await Scene.start();
    await scene.publish('a');
    await scene.publish('a');
    await scene.publish(7);
    await scene.publish(7);
    assert.equal(scene.queue.readyCount, 2);
    const held = await scene.get();
    await scene.publish('a');
    scene.channel.nack(held);
    await until(() => scene.queue.readyCount === 2);
    await scene.publish('a');
    assert.deepEqual([scene.queue.readyCount, scene.queue.ledger.duplicates], [2, 4]);
  });

  it('knows names of every type but lists and tables, and one from another', async () => {
    await using scene = await Scene.start();
    const time = { '!': 'timestamp', value: 1_700_000_000 };
    const names = [5, '5', 5.5, true, false, 'true', null, time, '\0null', Buffer.from([0xff])];
    for (const name of names) {
      await scene.publish(name);
      await scene.publish(name);
    }
    assert.deepEqual([scene.queue.readyCount, scene.queue.ledger.duplicates], [names.length, names.length]);
    await scene.publish(Buffer.from('5'));
    assert.equal(scene.queue.ledger.duplicates, names.length + 1);
    for (const other of [['a'], { a: 1 }]) {
      await scene.publish(other);
      await scene.publish(other);
    }
    assert.equal(scene.queue.readyCount, names.length + 4);
  });

  for (const [way, [args, leave]] of Object.entries(WAYS)) {
    it(`forgets a name when its message ${way}`, async () => {
      await using scene = await Scene.start(args);
      await scene.publish('a');
      await leave(scene);
      const queue = scene.test.queue('q') as Queue;
      await until(() => queue.unacknowledgedCount + queue.leavingCount === 0);
      const { routed } = queue.ledger;
      await scene.publish('a');
      assert.deepEqual([queue.ledger.routed - routed, queue.ledger.duplicates], [1, 0]);
    });
  }

  it('refuses a duplicate where it is told to: the publisher gets a basic.nack', async () => {
    await using scene = await Scene.start({ 'x-duplicates': 'reject-publish' });
    await scene.publish('a');
    await assert.rejects(scene.publish('a'));
    await scene.publish('b');
    assert.deepEqual([scene.queue.readyCount, scene.queue.ledger.duplicates], [2, 1]);
  });

  it('knows a name for x-cache-ttl, whether its message is there or not', async () => {
    await using scene = await Scene.start({ 'x-cache-ttl': 60_000 });
    await scene.publish('a');
    scene.channel.ack(await scene.get());
    await until(() => scene.queue.unacknowledgedCount === 0);
    await scene.publish('a');
    assert.deepEqual([scene.queue.readyCount, scene.queue.ledger.duplicates], [0, 1]);
  });

  it('knows at most x-cache-size names, and a long one by its digest', async () => {
    await using scene = await Scene.start({ 'x-cache-size': 2 });
    const long = 'n'.repeat(10_000);
    for (const name of ['a', long, `${long}2`, long]) await scene.publish(name);
    assert.deepEqual([scene.queue.readyCount, scene.queue.ledger.duplicates], [3, 1]);
    await scene.publish('a');
    assert.equal(scene.queue.readyCount, 4);
  });
});
