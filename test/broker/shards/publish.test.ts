import assert from 'node:assert/strict';
import { cp, rename, rm } from 'node:fs/promises';
import { describe, it } from 'node:test';
import { Publisher } from '../../../src/broker/publishing/publisher.ts';
import { asLocal } from '../../../src/broker/queues/any-queue.ts';
import type { Queue } from '../../../src/broker/queues/queue.ts';
import { bareMessage } from '../../../src/broker/topology/routing.ts';
import { until } from '../../support/until.ts';
import { fillView, TestConsumer } from '../test-broker.ts';
import { TestShards } from './test-shards.ts';

class Client {
  readonly publisher: Publisher;
  readonly #test: TestShards;
  readonly #shard: number;

  constructor(test: TestShards, shard: number) {
    this.#test = test;
    this.#shard = shard;
    const broker = test.brokers[shard];
    this.publisher = new Publisher(broker.shard, broker.deadLettering);
  }

  publish(exchange: string, key: string, body: string | Buffer, persistent = true): number {
    const vhost = this.#test.vhost(this.#shard);
    fillView(this.publisher.messageView, key, body);
    return this.publisher.publish(
      vhost.route(vhost.exchangeForPublish(exchange), key, bareMessage),
      persistent,
    );
  }

  /** Resolves with whether it was refused. */
  safe(wait: number): Promise<boolean> {
    const { shard } = this.#test.brokers[this.#shard];
    if (wait === -1) return Promise.resolve(true);
    return new Promise((resolve) => {
      if (wait >= 0) shard.whenDurable(wait, { onDurable: () => resolve(false) });
      else shard.waits.listen(wait, { onSafe: (_token, isRefused) => resolve(isRefused) });
    });
  }
}

function queue(test: TestShards, shard: number, name: string): Queue {
  const found = asLocal(test.vhost(shard).findQueue(name));
  if (found === undefined) throw new Error(`shard ${shard} has no queue ${name}`);
  return found;
}

async function inEachShard(test: TestShards, settings: { durable?: boolean } = {}): Promise<void> {
  for (const shard of [0, 1, 2]) {
    await test.declare(shard, `q${shard}`, { arguments: { 'x-shard': shard }, ...settings });
    await test.run(shard, ({ commands }) =>
      commands.bindQueue(
        test.vhost(shard),
        { source: 'amq.fanout', destination: `q${shard}`, routingKey: '', arguments: {} },
        null,
      ),
    );
  }
}

describe('a message published in one shard', () => {
  it('is in the queues of all shards when it is safe, and after a restart', async () => {
    await using test = await TestShards.start();
    await inEachShard(test);
    for (const shard of [0, 1, 2]) {
      const client = new Client(test, shard);
      const wait = client.publish('amq.fanout', '', `from ${shard}`);
      assert.ok(wait < -1, 'a token');
      assert.equal(await client.safe(wait), false);
      for (const each of [0, 1, 2]) assert.equal(queue(test, each, `q${each}`).readyCount, shard + 1);
    }
    for (const { shard } of test.brokers) assert.equal(shard.waits.count, 0);
    await test.restart();
    for (const each of [0, 1, 2]) {
      const consumer = new TestConsumer(queue(test, each, `q${each}`));
      await consumer.received(3);
      assert.deepEqual(consumer.bodies, ['from 0', 'from 1', 'from 2']);
    }
  });

  it('comes in the order of its publisher, whatever the ring holds', async () => {
    await using test = await TestShards.start(3, {}, 64 * 1024);
    await inEachShard(test);
    const client = new Client(test, 1);
    const sizes = [1, 100, 7000, 9000, 70_000, 200_000, 3, 16_000];
    const sent: string[] = [];
    const waits: Promise<boolean>[] = [];
    for (let i = 0; i < 400; i++) {
      const body = `${i} `.padEnd(sizes[i % sizes.length], '.');
      sent.push(body);
      waits.push(client.safe(client.publish('amq.fanout', '', body)));
      if (i % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    assert.deepEqual(new Set(await Promise.all(waits)), new Set([false]));
    for (const each of [0, 1, 2]) {
      const consumer = new TestConsumer(queue(test, each, `q${each}`));
      await consumer.received(400);
      assert.ok(consumer.bodies.every((body, i) => body === sent[i]));
    }
  });

  it('that is transient, or for a transient queue, needs no disk', async () => {
    await using test = await TestShards.start();
    await test.declare(2, 'q', { durable: false });
    const client = new Client(test, 0);
    assert.equal(await client.safe(client.publish('', 'q', 'a', false)), false);
    assert.equal(await client.safe(client.publish('', 'q', 'b', true)), false);
    assert.equal(queue(test, 2, 'q').readyCount, 2);
  });

  it('is refused where its queue is full, and taken by the others', async () => {
    await using test = await TestShards.start();
    await inEachShard(test);
    await test.declare(0, 'full', {
      arguments: { 'x-shard': 2, 'x-max-length': 1, 'x-overflow': 'reject-publish' },
    });
    await test.run(0, ({ commands }) =>
      commands.bindQueue(
        test.vhost(0),
        { source: 'amq.fanout', destination: 'full', routingKey: '', arguments: {} },
        null,
      ),
    );
    const client = new Client(test, 1);
    const answers = await Promise.all(
      ['a', 'b', 'c'].map((body) => client.safe(client.publish('amq.fanout', '', body))),
    );
    assert.deepEqual(answers, [false, true, true]);
    assert.equal(queue(test, 2, 'full').readyCount, 1);
    assert.equal(queue(test, 2, 'q2').readyCount, 3);
  });

  it('is known again by its name in a queue of another shard', async () => {
    await using test = await TestShards.start();
    await test.declare(0, 'q', { arguments: { 'x-shard': 1, 'x-message-deduplication': true } });
    const client = new Client(test, 2);
    const { codecs } = test.brokers[2].shard;
    const publish = (name: string): number => {
      const vhost = test.vhost(2);
      const { messageView } = client.publisher;
      fillView(messageView, 'q', 'x');
      const headers = { 'x-deduplication-header': name };
      messageView.properties = codecs.own?.encode({ headers, persistent: true }) as Buffer;
      messageView.propertiesEnd = messageView.properties.length;
      return client.publisher.publish(vhost.route(vhost.defaultExchange, 'q', bareMessage), true);
    };
    for (const name of ['a', 'a', 'b']) assert.equal(await client.safe(publish(name)), false);
    assert.equal(queue(test, 1, 'q').readyCount, 2);
    await test.restart();
    assert.equal(queue(test, 1, 'q').readyCount, 2);
  });

  it('waits in the door until the other shard knows its queue', async () => {
    await using test = await TestShards.start();
    const client = new Client(test, 0);
    for (let i = 0; i < 20; i++) {
      const name = `early${i}`;
      // In effect in shard 0 at once, and in shard 1 when it is durable.
      test
        .vhost(0)
        .declareQueue(
          { name, durable: true, exclusive: false, autoDelete: false, arguments: { 'x-shard': 1 } },
          null,
        );
      assert.equal(test.vhost(1).findQueue(name), undefined);
      assert.equal(await client.safe(client.publish('', name, 'x')), false);
      assert.equal(queue(test, 1, name).readyCount, 1);
    }
  });

  it('is lost with the queue that was deleted meanwhile, and no publisher waits for it', async () => {
    await using test = await TestShards.start();
    await inEachShard(test);
    const client = new Client(test, 1);
    const waits: Promise<boolean>[] = [];
    for (let i = 0; i < 100; i++) waits.push(client.safe(client.publish('amq.fanout', '', String(i))));
    await test.run(0, ({ commands }) =>
      commands.deleteQueue(test.vhost(0), 'q2', { ifUnused: false, ifEmpty: false }, null),
    );
    for (let i = 0; i < 100; i++) waits.push(client.safe(client.publish('amq.fanout', '', String(i))));
    assert.deepEqual(new Set(await Promise.all(waits)), new Set([false]));
    assert.equal(queue(test, 0, 'q0').readyCount, 200);
  });

  it('waits while publishers are blocked in the shard of its queue, and its publisher with it', async () => {
    await using test = await TestShards.start();
    await inEachShard(test);
    const client = new Client(test, 0);
    test.brokers[2].shard.setAlarm('memory', true);
    const body = Buffer.alloc(100_000);
    const waits: Promise<boolean>[] = [];
    while (!client.publisher.mustPause) {
      waits.push(client.safe(client.publish('', 'q2', body)));
      await new Promise((resolve) => setImmediate(resolve));
    }
    assert.ok(waits.length >= 80 && waits.length < 120, `${waits.length} messages`);
    assert.equal(queue(test, 2, 'q2').readyCount, 0);
    let hasResumed = false;
    client.publisher.onResume(() => {
      hasResumed = true;
    });
    assert.equal(await client.safe(client.publish('', 'q1', 'others go on')), false);
    assert.equal(hasResumed, false);
    test.brokers[2].shard.setAlarm('memory', false);
    assert.deepEqual(new Set(await Promise.all(waits)), new Set([false]));
    await until(() => hasResumed);
    assert.equal(queue(test, 2, 'q2').readyCount, waits.length);
  });

  it('pauses its publisher when its queue holds more than its share of memory', async () => {
    await using test = await TestShards.start(2, { memoryLimitBytes: 2 * 1024 * 1024, chunkBytes: 65_536 });
    await test.declare(0, 'q', { arguments: { 'x-shard': 1 } });
    const client = new Client(test, 0);
    const body = Buffer.alloc(50_000);
    let pauses = 0;
    let published = 0;
    for (; published < 2000 && pauses < 3; published++) {
      client.publish('', 'q', body);
      if (published % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
      if (!client.publisher.mustPause) continue;
      pauses++;
      await new Promise<void>((resume) => client.publisher.onResume(resume));
    }
    assert.ok(pauses > 0, 'it was paused');
    await until(() => queue(test, 1, 'q').readyCount === published);
  });
});

describe('the directories of two shards that were exchanged', () => {
  for (const how of ['stopped', 'killed']) {
    it(`are refused after the broker was ${how}, and have everything when they are back in their places`, async () => {
      await using test = await TestShards.start();
      for (const shard of [1, 2]) {
        await test.declare(shard, `q${shard}`, { arguments: { 'x-shard': shard } });
        const client = new Client(test, shard);
        await client.safe(client.publish('', `q${shard}`, 'kept'));
      }
      const data = test.directoryOf(0);
      // Without the snapshot of the end.
      await cp(data, `${test.directory}/killed`, { recursive: true });
      await test.close();
      if (how === 'killed') {
        await rm(data, { recursive: true });
        await rename(`${test.directory}/killed`, data);
      }
      await exchange(test);
      await assert.rejects(test.open(), /directory of shard 1 has the log of a queue that is in shard 2/);
      await test.close();
      await exchange(test);
      await test.open();
      for (const shard of [1, 2]) assert.equal(queue(test, shard, `q${shard}`).readyCount, 1);
    });
  }
});

async function exchange(test: TestShards): Promise<void> {
  await rename(test.directoryOf(1), `${test.directory}/other`);
  await rename(test.directoryOf(2), test.directoryOf(1));
  await rename(`${test.directory}/other`, test.directoryOf(2));
}
