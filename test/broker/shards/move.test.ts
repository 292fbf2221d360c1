import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, it } from 'node:test';
import type { Table } from '../../../src/base/value.ts';
import { Publisher } from '../../../src/broker/publishing/publisher.ts';
import { asLocal } from '../../../src/broker/queues/any-queue.ts';
import type { Queue } from '../../../src/broker/queues/queue.ts';
import { amqp091Codec } from '../../../src/servers/amqp091/property-codec.ts';
import { until } from '../../support/until.ts';
import { fillView, TestConsumer } from '../test-broker.ts';
import { everything } from './queue-contents.ts';
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
      for (let i = 0; i < 5; i++)
        publish(test, last, 'names', `n${i}`, { headers: { 'x-deduplication-header': `name ${i}` } });
      const failing = await declareIn(test, last, 'failing', { 'x-queue-type': 'quorum' });
      for (let i = 0; i < 5; i++) publish(test, last, 'failing', `f${i}`);
      await declareIn(test, 0, 'staying');
      publish(test, 0, 'staying', 'here');
      const consumer = new TestConsumer(failing, { prefetch: 2 });
      await until(() => consumer.messages.length === 2);
      consumer.consumer.cancel();
      consumer.unacknowledged.requeueAll('lost');
      const reader = new TestConsumer(local(test, 'plain'), { prefetch: 6 });
      await until(() => reader.messages.length === 6);
      reader.unacknowledged.ack(2, false);
      reader.unacknowledged.ack(5, false);
      reader.consumer.cancel();
      reader.unacknowledged.requeueAll('recovered');
      await moved(test, to);
      assert.ok(!existsSync(test.directoryOf(last)));
    });
  }
});
