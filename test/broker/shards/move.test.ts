import assert from 'node:assert/strict';
import { existsSync, globSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Table } from '../../../src/base/value.ts';
import { Publisher } from '../../../src/broker/publishing/publisher.ts';
import { asLocal } from '../../../src/broker/queues/any-queue.ts';
import type { Queue } from '../../../src/broker/queues/queue.ts';
import type { FileSystem } from '../../../src/log/files/filesystem.ts';
import { nodeFileSystem } from '../../../src/log/files/node-filesystem.ts';
import { amqp091Codec } from '../../../src/servers/amqp091/property-codec.ts';
import { until } from '../../support/until.ts';
import { fillView, TestConsumer } from '../test-broker.ts';
import { everything, type KnownQueue, type Waiting } from './queue-contents.ts';
import { TestShards } from './test-shards.ts';

interface Published {
  readonly exchange?: string;
  readonly headers?: Table;
  readonly priority?: number;
  readonly ttlMs?: number;
  readonly persistent?: boolean;
}

/** As a client of the shard that the queue is in. */
function publish(test: TestShards, shard: number, key: string, body: string, of: Published = {}): void {
  const { exchange = '', headers = {}, priority = 0, ttlMs = -1, persistent = true } = of;
  const broker = test.brokers[shard];
  const publisher = new Publisher(broker.shard, broker.deadLettering);
  broker.shard.turn.touch();
  const { messageView } = publisher;
  fillView(messageView, key, body);
  messageView.exchange = Buffer.from(exchange);
  messageView.exchangeEnd = messageView.exchange.length;
  messageView.priority = priority;
  messageView.ttlMs = ttlMs;
  const bare = persistent ? Buffer.from([0x10, 0, 2]) : Buffer.from([0, 0]);
  const properties = amqp091Codec.edit(bare, 0, bare.length, { set: headers, remove: [] });
  messageView.properties = properties;
  messageView.propertiesEnd = properties.length;
  const vhost = test.vhost(shard);
  const route = vhost.route(vhost.exchangeForPublish(exchange), key, {
    headers: () => headers,
    property: () => null,
  });
  messageView.delayMs = route.delayMs;
  publisher.publish(route, persistent);
}

function local(test: TestShards, name: string): Queue {
  for (const [shard] of test.brokers.entries()) {
    const queue = asLocal(test.vhost(shard).findQueue(name));
    if (queue !== undefined) return queue;
  }
  throw new Error(`no shard has queue '${name}'`);
}

async function declareIn(test: TestShards, shard: number, name: string, args: Table = {}): Promise<Queue> {
  await test.declare(0, name, { arguments: { ...args, 'x-shard': shard } });
  const queue = local(test, name);
  assert.equal(queue.shard, shard);
  return queue;
}

async function flush(test: TestShards): Promise<void> {
  for (const { shard } of test.brokers) await shard.store.journal.flush();
}

/** Stops in order, moves, starts again with fewer, and compares everything. */
async function moved(test: TestShards, count: number): Promise<readonly string[]> {
  await flush(test);
  const before = await everything(test.brokers);
  await test.close();
  const steps = await test.move(count);
  await test.open(count);
  assert.deepEqual(await everything(test.brokers), before);
  return steps;
}

const KIB = 1024;
/** Little memory, so that most is in segments. */
const SMALL = {
  chunkBytes: 16 * KIB,
  memoryLimitBytes: 64 * KIB,
  journalFileBytes: 64 * KIB,
  journalLimitBytes: 128 * KIB,
  segmentBytes: 64 * KIB,
};

const from6to19 = Array.from({ length: 14 }, (_, i) => i + 6);

function named(name: string): Published {
  return { headers: { 'x-deduplication-header': name } };
}

/** The consumer that has the first of them is lost. */
async function fail(queue: Queue, count: number): Promise<void> {
  const consumer = new TestConsumer(queue, { prefetch: count });
  await until(() => consumer.messages.length === count);
  consumer.consumer.cancel();
  consumer.unacknowledged.requeueAll('lost');
}

/** All that the queue has to give, which is taken and given back. */
async function bodiesOf(queue: Queue): Promise<string[]> {
  const count = queue.readyCount;
  const consumer = new TestConsumer(queue);
  await until(() => consumer.messages.length === count);
  consumer.consumer.cancel();
  consumer.unacknowledged.requeueAll('recovered');
  return consumer.bodies;
}

/** In the queues that the rejected come from. */
function remaining(test: TestShards): number {
  return [0, 2].reduce((sum, shard) => sum + local(test, `rejecting ${shard}`).readyCount, 0);
}

/** An exchange whose messages wait, and a queue that they come to. */
async function declareLater(test: TestShards): Promise<void> {
  await declareIn(test, 0, 'late');
  await test.run(0, ({ commands }) =>
    commands.declareExchange(test.vhost(0), {
      name: 'later',
      type: 'x-delayed-message',
      durable: true,
      autoDelete: false,
      internal: false,
      arguments: { 'x-delayed-type': 'direct' },
    }),
  );
  const binding = { source: 'later', destination: 'late', routingKey: 'k', arguments: {} };
  await test.run(0, ({ commands }) => commands.bindQueue(test.vhost(0), binding, null));
}

function unseen(message: Waiting): Omit<Waiting, 'wasDelivered'> {
  const { wasDelivered: _unknown, ...rest } = message;
  return rest;
}

/** With methods that can be taken out of it. */
function bound(fileSystem: FileSystem): FileSystem {
  return {
    open: (...given) => fileSystem.open(...given),
    list: (...given) => fileSystem.list(...given),
    makeDirectory: (...given) => fileSystem.makeDirectory(...given),
    rename: (...given) => fileSystem.rename(...given),
    remove: (...given) => fileSystem.remove(...given),
    syncDirectory: (...given) => fileSystem.syncDirectory(...given),
    freeBytes: (...given) => fileSystem.freeBytes(...given),
  };
}

describe('a start with fewer shards', () => {
  for (const [from, to] of [
    [3, 2],
    [3, 1],
    [2, 1],
  ]) {
    it(`moves queues with all that they have: from ${from} to ${to}`, async () => {
      await using test = await TestShards.start(from);
      const last = from - 1;
      await declareIn(test, last, 'plain');
      for (let i = 0; i < 20; i++) publish(test, last, 'plain', `m${i}`);
      await declareIn(test, last, 'priorities', { 'x-max-priority': 9 });
      for (let i = 0; i < 20; i++) publish(test, last, 'priorities', `p${i}`, { priority: i % 4 });
      await declareIn(test, last, 'names', { 'x-message-deduplication': true, 'x-cache-ttl': 100_000 });
      for (let i = 0; i < 5; i++) publish(test, last, 'names', `n${i}`, named(`name ${i}`));
      const failing = await declareIn(test, last, 'failing', { 'x-queue-type': 'quorum' });
      for (let i = 0; i < 5; i++) publish(test, last, 'failing', `f${i}`);
      await declareIn(test, 0, 'staying');
      publish(test, 0, 'staying', 'here');
      await fail(failing, 2);
      const reader = new TestConsumer(local(test, 'plain'), { prefetch: 6 });
      await until(() => reader.messages.length === 6);
      reader.unacknowledged.ack(2, false);
      reader.unacknowledged.ack(5, false);
      reader.consumer.cancel();
      reader.unacknowledged.requeueAll('recovered');
      await moved(test, to);
      assert.ok(!existsSync(test.directoryOf(last)));
      assert.equal(local(test, 'names').deduplicator?.size, 10);
      const once = new Map([0, 1].map((offset) => [offset, 1]));
      assert.deepEqual(local(test, 'failing').base.failures, once);
      assert.equal(local(test, 'priorities').levels.length, 4);
      await test.restart();
      assert.deepEqual(
        await bodiesOf(local(test, 'plain')),
        [0, 2, 3, 5, ...from6to19].map((i) => `m${i}`),
      );
    });
  }

  it('moves a backlog that is in segments, without what was acknowledged', async () => {
    await using test = await TestShards.start(3, SMALL);
    await declareIn(test, 2, 'long');
    for (let i = 0; i < 600; i++) {
      publish(test, 2, 'long', `${i}.`.padEnd(1000, '.'));
      if (i % 20 === 0) await flush(test);
    }
    const queue = local(test, 'long');
    await until(() => queue.log.tailStart > 300);
    const reader = new TestConsumer(queue, { prefetch: 400 });
    await until(() => reader.messages.length === 400);
    for (let tag = 1; tag <= 400; tag++) if (tag % 3 !== 0) reader.unacknowledged.ack(tag, false);
    reader.consumer.cancel();
    reader.unacknowledged.requeueAll('recovered');
    await moved(test, 1);
    const bodies = await bodiesOf(local(test, 'long'));
    const wanted = Array.from({ length: 600 }, (_, i) => i).filter((i) => i >= 400 || (i + 1) % 3 === 0);
    assert.deepEqual(
      bodies.map((body) => Number.parseInt(body, 10)),
      wanted,
    );
  });

  it('puts them where their arguments and policies say, and otherwise where the fewest are', async () => {
    await using test = await TestShards.start(4);
    await declareIn(test, 3, 'by argument');
    await declareIn(test, 1, 'leader');
    test.vhost(0).setPolicy({
      name: 'together',
      pattern: '^follower',
      applyTo: 'queues',
      priority: 0,
      definition: { 'shard-with': 'leader' },
    });
    await test.declare(0, 'follower');
    await declareIn(test, 2, 'lonely leader');
    const transient = await test.declare(3, 'transient', { durable: false });
    assert.equal(transient.shard, 3);
    // Placed without an argument, so that they may go anywhere.
    for (let i = 0; i < 8; i++) await test.declare(0, `any ${i}`);
    await moved(test, 2);
    assert.equal(local(test, 'by argument').shard, 1);
    assert.equal(local(test, 'lonely leader').shard, 0);
    assert.equal(local(test, 'follower').shard, local(test, 'leader').shard);
    assert.equal(test.vhost(0).findQueue('transient'), undefined);
    const counts = [0, 1].map(
      (shard) => [...test.vhost(0).queues()].filter((queue) => queue.shard === shard).length,
    );
    assert.ok(Math.abs(counts[0] - counts[1]) <= 1, counts.join());
  });

  it('keeps bindings: what is published afterwards is in the queue', async () => {
    await using test = await TestShards.start(3);
    await declareIn(test, 2, 'bound');
    const binding = { source: 'amq.topic', destination: 'bound', routingKey: 'a.#', arguments: {} };
    await test.run(0, ({ commands }) => commands.bindQueue(test.vhost(0), binding, null));
    await moved(test, 2);
    for (const shard of [0, 1])
      publish(test, shard, `a.${shard}`, `from ${shard}`, { exchange: 'amq.topic' });
    await until(() => local(test, 'bound').readyCount === 2);
  });

  it('lets times to live go on', async () => {
    const ttlMs = 5000;
    await using test = await TestShards.start(2);
    await declareIn(test, 1, 'expiring', { 'x-message-ttl': ttlMs });
    await declareIn(test, 1, 'own');
    const publishedMs = Date.now();
    publish(test, 1, 'expiring', 'by the queue');
    publish(test, 1, 'own', 'by itself', { ttlMs });
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await moved(test, 1);
    await until(() => local(test, 'expiring').readyCount === 0 && local(test, 'own').readyCount === 0);
    const took = Date.now() - publishedMs;
    // From the move on it would be a second more.
    assert.ok(took >= ttlMs - 1 && took < ttlMs + 1000, `${took} ms`);
  });

  it('goes on counting failures: the limit of deliveries is reached when it would have been', async () => {
    await using test = await TestShards.start(2);
    const queue = await declareIn(test, 1, 'limited', { 'x-queue-type': 'quorum', 'x-delivery-limit': 2 });
    publish(test, 1, 'limited', 'poison');
    await fail(queue, 1);
    await fail(queue, 1);
    await moved(test, 1);
    assert.equal(local(test, 'limited').readyCount, 1);
    await fail(local(test, 'limited'), 1);
    await until(() => local(test, 'limited').readyCount === 0);
  });

  it('remembers names: of messages that are there, and for a time of those that are gone', async () => {
    await using test = await TestShards.start(2);
    const present = await declareIn(test, 1, 'present', { 'x-message-deduplication': true });
    await declareIn(test, 1, 'recent', { 'x-message-deduplication': true, 'x-cache-ttl': 60_000 });
    for (const name of ['here', 'gone']) {
      publish(test, 1, 'present', name, named(name));
      publish(test, 1, 'recent', name, named(name));
    }
    for (const queue of [present, local(test, 'recent')]) {
      const consumer = new TestConsumer(queue, { prefetch: 2 });
      await until(() => consumer.messages.length === 2);
      consumer.unacknowledged.ack(2, false);
      consumer.consumer.cancel();
      consumer.unacknowledged.requeueAll('recovered');
    }
    await moved(test, 1);
    for (const name of ['here', 'gone', 'new']) {
      publish(test, 0, 'present', name, named(name));
      publish(test, 0, 'recent', name, named(name));
    }
    assert.deepEqual(await bodiesOf(local(test, 'present')), ['here', 'gone', 'new']);
    assert.deepEqual(await bodiesOf(local(test, 'recent')), ['here', 'new']);
  });

  it('lets delayed messages wait on in a shard that remains, until they are due', async () => {
    await using test = await TestShards.start(3, SMALL);
    await declareLater(test);
    const dueMs = Date.now() + 1500;
    for (let i = 0; i < 300; i++) {
      const delayMs = i % 2 === 0 ? 1500 : 3_600_000;
      publish(test, 2, 'k', `${i}.`.padEnd(500, '.'), { exchange: 'later', headers: { 'x-delay': delayMs } });
      if (i % 20 === 0) await flush(test);
    }
    await moved(test, 1);
    const delays = test.brokers[0].delays.of('/');
    assert.equal((delays?.waitingCount ?? 0) + local(test, 'late').readyCount, 300);
    await until(() => local(test, 'late').readyCount === 150);
    assert.ok(Date.now() >= dueMs);
    assert.equal(delays?.waitingCount, 150);
  });

  it('has what is on its way between shards arrive, once', async () => {
    await using test = await TestShards.start(3);
    await declareIn(test, 1, 'dead');
    const rejecting = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead' };
    for (const shard of [0, 2]) {
      const queue = await declareIn(test, shard, `rejecting ${shard}`, rejecting);
      for (let i = 0; i < 50; i++) publish(test, shard, queue.name, `${shard}: ${i}`);
      await flush(test);
      const consumer = new TestConsumer(queue);
      await until(() => consumer.messages.length === 50);
      consumer.unacknowledged.reject(0, true, false);
    }
    // Some have left, some are on their way, some are where they were.
    await test.close();
    await test.move(1);
    await test.open(1);
    await until(() => local(test, 'dead').readyCount + remaining(test) === 100);
    const all = await bodiesOf(local(test, 'dead'));
    for (const shard of [0, 2]) all.push(...(await bodiesOf(local(test, `rejecting ${shard}`))));
    assert.equal(new Set(all).size, 100);
    assert.equal(all.length, 100);
  });

  it('may be followed by one with more again: shards with the old numbers begin anew', async () => {
    await using test = await TestShards.start(3);
    for (const count of [1, 3, 2, 3]) {
      if (count < test.brokers.length) await moved(test, count);
      else {
        await test.close();
        await test.open(count);
      }
      if (count === 1) continue;
      const to = await declareIn(test, 0, `to ${count}`);
      const rejecting = { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': to.name };
      const from = await declareIn(test, count - 1, `from ${count} ${Math.random()}`, rejecting);
      for (let i = 0; i < 10; i++) publish(test, count - 1, from.name, `${i}`);
      const consumer = new TestConsumer(from);
      await until(() => consumer.messages.length === 10);
      const before = to.readyCount;
      consumer.unacknowledged.reject(0, true, false);
      await until(() => to.readyCount === before + 10);
    }
  });

  it('tells how far it is', async () => {
    await using test = await TestShards.start(3);
    for (let i = 0; i < 3; i++) await declareIn(test, 2, `q${i}`);
    await declareIn(test, 1, 'other');
    const steps = await moved(test, 1);
    const moving = steps.filter((step) => step.startsWith('moving'));
    assert.deepEqual(moving, [
      'moving queues out of shard 1: 1 of 1',
      'moving queues out of shard 2: 1 of 3',
      'moving queues out of shard 2: 2 of 3',
      'moving queues out of shard 2: 3 of 3',
    ]);
  });
});

describe('what is in the way of a move', () => {
  it('is said of a damaged segment, and nothing is lost', async () => {
    await using test = await TestShards.start(3, SMALL);
    for (const name of ['before', 'damaged', 'other']) await declareIn(test, 2, name);
    for (let i = 0; i < 200; i++) {
      publish(test, 2, 'damaged', `${i}.`.padEnd(1000, '.'));
      if (i % 20 === 0) await flush(test);
    }
    publish(test, 2, 'before', 'one');
    publish(test, 2, 'other', 'two');
    await flush(test);
    await test.close();
    const logs = join(test.directoryOf(2), 'logs');
    const [path] = globSync('*/*.log', { cwd: logs }).map((name) => join(logs, name));
    const whole = await readFile(path);
    const bytes = Buffer.from(whole);
    bytes.fill(0xff, 5000, 5016);
    await writeFile(path, bytes);
    await assert.rejects(
      test.move(1),
      /^Error: queue 'damaged' in vhost '\/' cannot be moved from shard 2 to shard 0: '.*shards\/2\/logs\/.*' is damaged at byte .* Nothing is lost.*Start with shards = 3, as before.*doctor --data-dir/,
    );
    await writeFile(path, whole);
    await test.open(3);
    assert.equal(local(test, 'damaged').readyCount, 200);
    await moved(test, 1);
    for (const name of ['before', 'other']) assert.equal(local(test, name).readyCount, 1);
  });

  it('is said of a volume with too little room, and nothing is lost', async () => {
    await using test = await TestShards.start(2, SMALL);
    await declareIn(test, 1, 'large');
    for (let i = 0; i < 50; i++) publish(test, 1, 'large', `${i}.`.padEnd(1000, '.'));
    await flush(test);
    await test.close();
    const full = { ...bound(nodeFileSystem), freeBytes: async () => 70 * 1024 * 1024 };
    await assert.rejects(
      test.move(1, { fileSystem: full, diskFreeLimitBytes: 70 * 1024 * 1024 - 1000 }),
      /^Error: queue 'large' in vhost '\/' cannot be moved from shard 1 to shard 0: the volume of '.*' has \d+ bytes free, and \d+ are needed.*Nothing is lost.*Make room, and start again; or start with shards = 2/,
    );
    await test.open(2);
    assert.equal(local(test, 'large').readyCount, 50);
    await moved(test, 1);
  });

  it('is a step that fails: the next start goes on, and so does one with the old number', async () => {
    for (const again of [1, 3]) {
      await using test = await TestShards.start(3);
      for (let i = 0; i < 6; i++) {
        await declareIn(test, 1 + (i % 2), `q${i}`);
        publish(test, 1 + (i % 2), `q${i}`, `m${i}`);
      }
      await flush(test);
      const before = await everything(test.brokers);
      await test.close();
      await assert.rejects(test.move(1, {}, 'moving queues out of shard 2: 2 of 3'), /stopped here/);
      if (again === 1) await test.move(1);
      await test.open(again);
      // After an interruption all may have been delivered before.
      const isNew = ([key, queue]: [string, KnownQueue]) => [
        key,
        { ...queue, contents: queue.contents.map(unseen) },
      ];
      const after = await everything(test.brokers);
      assert.deepEqual([...after].map(isNew).sort(), [...before].map(isNew).sort());
    }
  });
});
