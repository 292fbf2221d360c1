import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { BrokerError } from '../../../src/broker/errors.ts';
import type { DeliveryLevel } from '../../../src/broker/queues/delivery-source.ts';
import { Unacknowledged } from '../../../src/broker/queues/unacknowledged.ts';
import type { MessageMemory } from '../../../src/log/memory/chunks.ts';
import type { ContentView } from '../../../src/records/record-content.ts';
import { until } from '../../support/until.ts';
import { isNothingLeft, publishTo, queueAt, queueIn, ShardConsumer } from './shard-consumer.ts';
import { TestShards } from './test-shards.ts';

const THERE = { arguments: { 'x-shard': 1 } };

function publishMany(test: TestShards, name: string, count: number, first = 0): void {
  for (let i = first; i < first + count; i++) publishTo(test, name, String(i));
}

function numbers(count: number, first = 0): string[] {
  return Array.from({ length: count }, (_, i) => String(first + i));
}

/** A few turns of the event loop of all shards. */
async function settled(): Promise<void> {
  for (let i = 0; i < 20; i++) await new Promise(setImmediate);
}

async function assertAllGone(test: TestShards, name: string): Promise<void> {
  const queue = queueAt(test, name);
  await until(() => queue.unacknowledgedCount === 0 && queue.readyCount === 0);
  await until(() => isNothingLeft(test));
  assert.ok(queue.isBalanced);
}

describe('a consumer of a queue of another shard', () => {
  it('gets its messages in order, and settles them there', async () => {
    await using test = await TestShards.start(2);
    await test.declare(0, 'q', THERE);
    publishMany(test, 'q', 10);
    const consumer = await ShardConsumer.open(test, 0, 'q');
    await until(() => consumer.messages.length === 10);
    assert.deepEqual(consumer.bodies, numbers(10));
    assert.ok(consumer.messages.every(({ redelivered }) => !redelivered));
    const queue = queueAt(test, 'q');
    assert.equal(queue.unacknowledgedCount, 10);
    assert.equal(queue.consumerCount, 1);
    consumer.unacknowledged.ack(5, true);
    await until(() => queue.unacknowledgedCount === 5);
    consumer.unacknowledged.ack(7, false);
    consumer.unacknowledged.reject(6, false, false);
    consumer.unacknowledged.ack(0, true);
    consumer.consumer.cancel();
    await assertAllGone(test, 'q');
    assert.equal(queue.ledger.acknowledged, 9);
    assert.equal(queue.ledger.dropped, 1);
    assert.equal(queue.consumerCount, 0);
  });

  it('holds no more than its prefetch, wherever the messages are', async () => {
    await using test = await TestShards.start(2);
    await test.declare(0, 'q', THERE);
    publishMany(test, 'q', 20);
    const consumer = await ShardConsumer.open(test, 0, 'q', { credit: 3 });
    await until(() => consumer.messages.length === 3);
    await settled();
    assert.equal(consumer.messages.length, 3);
    assert.equal(queueAt(test, 'q').unacknowledgedCount, 3);
    consumer.unacknowledged.ack(2, true);
    await until(() => consumer.messages.length === 5);
    await settled();
    assert.deepEqual(consumer.bodies, numbers(5));
    consumer.close();
    await until(() => queueAt(test, 'q').readyCount === 18);
    await until(() => isNothingLeft(test));
  });

  it('gets what was given back again, as redelivered, and counted where the queue counts', async () => {
    await using test = await TestShards.start(2);
    await test.declare(0, 'q', { arguments: { 'x-shard': 1, 'x-queue-type': 'quorum' } });
    publishMany(test, 'q', 2);
    const consumer = await ShardConsumer.open(test, 0, 'q');
    await until(() => consumer.messages.length === 2);
    consumer.unacknowledged.reject(1, false, true);
    await until(() => consumer.messages.length === 3);
    consumer.unacknowledged.settle(2, false, 'return');
    await until(() => consumer.messages.length === 4);
    assert.deepEqual(
      consumer.messages
        .slice(2)
        .map(({ body, redelivered, acquisitions, failures }) => [body, redelivered, acquisitions, failures]),
      [
        ['0', true, 1, 1],
        ['1', true, 1, 0],
      ],
    );
    consumer.unacknowledged.ack(0, true);
    consumer.consumer.cancel();
    await assertAllGone(test, 'q');
  });

  it('keeps what it has when it is cancelled, and can settle it; all else stays in the queue as if untouched', async () => {
    await using test = await TestShards.start(2);
    await test.declare(0, 'q', THERE);
    const consumer = await ShardConsumer.open(test, 0, 'q');
    consumer.onMessage = ({ body }) => {
      if (body === '4') consumer.setGate(false);
    };
    publishMany(test, 'q', 50);
    const queue = queueAt(test, 'q');
    await until(() => queue.unacknowledgedCount === 50);
    await settled();
    assert.equal(consumer.messages.length, 5);
    consumer.consumer.cancel();
    await until(() => queue.readyCount === 45);
    assert.equal(queue.unacknowledgedCount, 5);
    assert.equal(queue.consumerCount, 0);
    consumer.unacknowledged.ack(0, true);
    const next = await ShardConsumer.open(test, 0, 'q');
    await until(() => next.messages.length === 45);
    assert.deepEqual(next.bodies, numbers(45, 5));
    assert.ok(next.messages.every(({ redelivered }) => !redelivered));
    next.unacknowledged.ack(0, true);
    next.consumer.cancel();
    await assertAllGone(test, 'q');
  });

  it('loses nothing without acknowledgements but what its client was given', async () => {
    await using test = await TestShards.start(2);
    await test.declare(0, 'q', THERE);
    publishMany(test, 'q', 100);
    const consumer = await ShardConsumer.open(test, 0, 'q', { noAck: true });
    consumer.onMessage = ({ body }) => {
      if (body === '29') consumer.setGate(false);
    };
    const queue = queueAt(test, 'q');
    await until(() => consumer.messages.length === 30);
    await until(() => queue.ledger.acknowledged === 30);
    consumer.close();
    await until(() => queue.readyCount === 70);
    assert.equal(queue.unacknowledgedCount, 0);
    await until(() => isNothingLeft(test));
  });

  it('has so much on its way and no more while nobody takes it', async () => {
    await using test = await TestShards.start(2);
    await test.declare(0, 'small', THERE);
    await test.declare(0, 'large', THERE);
    publishMany(test, 'small', 3000);
    for (let i = 0; i < 40; i++) publishTo(test, 'large', Buffer.alloc(64 * 1024, 'x'));
    const consumers = [
      await ShardConsumer.open(test, 0, 'small', { isGateOpen: false }),
      await ShardConsumer.open(test, 0, 'large', { isGateOpen: false }),
    ];
    const [small, large] = [queueAt(test, 'small'), queueAt(test, 'large')];
    await until(() => small.unacknowledgedCount === 1000);
    await until(() => large.unacknowledgedCount === 16);
    await settled();
    assert.equal(small.unacknowledgedCount, 1000);
    assert.equal(large.unacknowledgedCount, 16);
    for (const consumer of consumers) consumer.setGate(true);
    await until(() => consumers[0].messages.length === 3000 && consumers[1].messages.length === 40);
    assert.deepEqual(consumers[0].bodies, numbers(3000));
    for (const consumer of consumers) {
      assert.ok(consumer.messages.every(({ redelivered }) => !redelivered));
      consumer.unacknowledged.ack(0, true);
      consumer.close();
    }
    await assertAllGone(test, 'small');
    await assertAllGone(test, 'large');
  });

  it('gets all in order through a ring that is smaller than its messages', async () => {
    await using test = await TestShards.start(2, {}, 4096);
    await test.declare(0, 'q', THERE);
    const sizes = Array.from({ length: 200 }, (_, i) => (i % 7 === 0 ? 5000 : (i * 37) % 900));
    for (const [i, size] of sizes.entries()) publishTo(test, 'q', `${i}:`.padEnd(size, '.'));
    const consumer = await ShardConsumer.open(test, 0, 'q');
    await until(() => consumer.messages.length === sizes.length);
    assert.deepEqual(
      consumer.bodies,
      sizes.map((size, i) => `${i}:`.padEnd(size, '.')),
    );
    assert.ok(consumer.messages.every(({ redelivered }) => !redelivered));
    consumer.unacknowledged.ack(0, true);
    consumer.consumer.cancel();
    await assertAllGone(test, 'q');
  });

  it('is refused where an exclusive one is, and the other way round', async () => {
    await using test = await TestShards.start(3);
    await test.declare(0, 'q', THERE);
    const exclusive = await ShardConsumer.open(test, 0, 'q', { exclusive: true });
    for (const shard of [0, 1, 2]) {
      await assert.rejects(
        ShardConsumer.open(test, shard, 'q'),
        new BrokerError('access-refused', "queue 'q' in vhost '/' in exclusive use"),
      );
    }
    exclusive.close();
    await until(() => isNothingLeft(test));
    const other = await ShardConsumer.open(test, 2, 'q');
    await assert.rejects(ShardConsumer.open(test, 0, 'q', { exclusive: true }), BrokerError);
    other.close();
    await until(() => isNothingLeft(test));
  });

  it('has its turn by its priority, or waits to be the single active one', async () => {
    await using test = await TestShards.start(3);
    await test.declare(0, 'ranked', THERE);
    await test.declare(0, 'single', { arguments: { 'x-shard': 1, 'x-single-active-consumer': true } });
    const low = await ShardConsumer.open(test, 1, 'ranked', { credit: 2 });
    const high = await ShardConsumer.open(test, 0, 'ranked', { credit: 2, priority: 5 });
    publishMany(test, 'ranked', 3);
    await until(() => low.messages.length + high.messages.length === 3);
    assert.deepEqual([high.bodies, low.bodies], [['0', '1'], ['2']]);
    const first = await ShardConsumer.open(test, 2, 'single');
    const second = await ShardConsumer.open(test, 0, 'single');
    publishMany(test, 'single', 3);
    await until(() => first.messages.length === 3);
    assert.equal(second.messages.length, 0);
    first.close();
    await until(() => second.messages.length === 3);
    assert.deepEqual(second.bodies, numbers(3));
    assert.ok(second.messages.every(({ redelivered }) => redelivered));
    for (const each of [low, high, second]) each.close();
    await until(() => isNothingLeft(test));
  });

  it('is told when its queue is deleted', async () => {
    await using test = await TestShards.start(2);
    await test.declare(0, 'q', THERE);
    publishMany(test, 'q', 5);
    const consumer = await ShardConsumer.open(test, 0, 'q', { credit: 2 });
    await until(() => consumer.messages.length === 2);
    await test.run(0, ({ commands }) =>
      commands.deleteQueue(test.vhost(0), 'q', { ifUnused: false, ifEmpty: false }, null),
    );
    await until(() => consumer.wasCancelled);
    assert.equal(consumer.consumer.isActive, false);
    consumer.unacknowledged.requeueAll('lost');
    await until(() => isNothingLeft(test));
  });

  it('takes an auto-delete queue along when it was the last', async () => {
    await using test = await TestShards.start(3);
    await test.declare(0, 'q', { ...THERE, autoDelete: true });
    const consumers = [await ShardConsumer.open(test, 0, 'q'), await ShardConsumer.open(test, 2, 'q')];
    consumers[0].close();
    await settled();
    assert.ok(test.vhost(2).findQueue('q'));
    consumers[1].close();
    await until(() => [0, 1, 2].every((shard) => test.vhost(shard).findQueue('q') === undefined));
    await until(() => isNothingLeft(test));
  });
});

/** What basic.get came to. */
type Got = { body: string; remaining: number; redelivered: boolean; tag: number } | 'empty' | BrokerError;

class ShardGets {
  readonly unacknowledged = new Unacknowledged();
  isOpen = true;

  get(test: TestShards, shard: number, name: string, noAck = false): Promise<Got> {
    const queue = queueIn(test, shard, name);
    return new Promise((resolve) => {
      queue.get(noAck, {
        message: (
          level: DeliveryLevel,
          offset: number,
          memory: MessageMemory,
          at: number,
          redelivered: boolean,
          remaining: number,
          content: ContentView,
        ) => {
          if (!this.isOpen) {
            resolve('empty');
            return false;
          }
          const body = memory.buffer.toString('latin1', content.bodyStart, content.bodyEnd);
          const tag = noAck
            ? this.unacknowledged.addSettled()
            : this.unacknowledged.add(level, null, offset, memory, at, content);
          resolve({ body, remaining, redelivered, tag });
          return true;
        },
        empty: () => resolve('empty'),
        failed: resolve,
      });
    });
  }
}

describe('basic.get from a queue of another shard', () => {
  it('gives one message after the other, however large, and says what is left', async () => {
    await using test = await TestShards.start(2, {}, 4096);
    await test.declare(0, 'q', THERE);
    const bodies = ['a', 'b'.repeat(20_000), 'c'];
    for (const body of bodies) publishTo(test, 'q', body);
    const gets = new ShardGets();
    for (const [i, body] of bodies.entries()) {
      const got = await gets.get(test, 0, 'q');
      assert.deepEqual(got, { body, remaining: 2 - i, redelivered: false, tag: i + 1 });
    }
    assert.equal(await gets.get(test, 0, 'q'), 'empty');
    gets.unacknowledged.reject(2, false, true);
    const again = await gets.get(test, 0, 'q', true);
    assert.deepEqual(again, { body: bodies[1], remaining: 0, redelivered: true, tag: 4 });
    gets.unacknowledged.ack(0, true);
    await assertAllGone(test, 'q');
  });

  it('leaves a message that nobody is there to take as if it had not been asked for', async () => {
    await using test = await TestShards.start(2);
    await test.declare(0, 'q', THERE);
    publishTo(test, 'q', 'a');
    const gone = new ShardGets();
    gone.isOpen = false;
    await gone.get(test, 0, 'q', true);
    const gets = new ShardGets();
    assert.deepEqual(await gets.get(test, 0, 'q', true), {
      body: 'a',
      remaining: 0,
      redelivered: false,
      tag: 1,
    });
    await assertAllGone(test, 'q');
  });

  it('says that the queue is gone', async () => {
    await using test = await TestShards.start(2);
    await test.declare(0, 'q', THERE);
    const queue = queueIn(test, 0, 'q');
    await test.run(1, ({ commands }) =>
      commands.deleteQueue(test.vhost(1), 'q', { ifUnused: false, ifEmpty: false }, null),
    );
    const answer = await new Promise((resolve) =>
      queue.get(true, { message: () => true, empty: () => resolve('empty'), failed: resolve }),
    );
    assert.deepEqual(answer, new BrokerError('not-found', "no queue 'q' in vhost '/'"));
  });
});
