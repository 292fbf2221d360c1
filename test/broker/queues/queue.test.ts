import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import type { Queue } from '../../../src/broker/queues/queue.ts';
import { settled, TestBroker, TestConsumer } from '../test-broker.ts';

function assertBalanced(queue: Queue): void {
  assert.ok(queue.isBalanced, 'the ledger balances');
}

function publishMany(broker: TestBroker, key: string, count: number, persistent = true): void {
  for (let i = 0; i < count; i++) broker.publish(key, `m${i}`, persistent);
}

test('consumers with credit take turns, and none gets more than its prefetch', async () => {
  await using broker = await TestBroker.start();
  const queue = broker.queue('q');
  const first = new TestConsumer(queue, { prefetch: 3 });
  const second = new TestConsumer(queue, { prefetch: 2 });
  publishMany(broker, 'q', 10);
  await settled();
  assert.deepEqual(first.bodies, ['m0', 'm2', 'm4']);
  assert.deepEqual(second.bodies, ['m1', 'm3']);
  assert.equal(queue.readyCount, 5);
  second.unacknowledged.ack(2, true);
  await settled();
  assert.deepEqual(second.bodies, ['m1', 'm3', 'm5', 'm6']);
  assertBalanced(queue);
});

test('a message that is given back returns to its old place and is marked as redelivered', async () => {
  await using broker = await TestBroker.start();
  const queue = broker.queue('q');
  const first = new TestConsumer(queue, { prefetch: 4 });
  publishMany(broker, 'q', 6);
  await settled();
  first.unacknowledged.ack(2, false);
  first.close();
  const second = new TestConsumer(queue);
  await second.received(5);
  assert.deepEqual(second.bodies, ['m0', 'm2', 'm3', 'm4', 'm5']);
  assert.deepEqual(
    second.messages.map((message) => message.redelivered),
    [true, true, true, false, false],
  );
  assertBalanced(queue);
});

test('a closed gate stops deliveries and keeps nobody else from theirs', async () => {
  await using broker = await TestBroker.start();
  const queue = broker.queue('q', { durable: false });
  const shut = new TestConsumer(queue, { noAck: true });
  shut.gate.open = false;
  const open = new TestConsumer(queue, { noAck: true });
  publishMany(broker, 'q', 3, false);
  await settled();
  assert.equal(shut.messages.length, 0);
  assert.equal(open.messages.length, 3);
  open.consumer.cancel();
  publishMany(broker, 'q', 2, false);
  shut.gate.open = true;
  shut.consumer.wake();
  await settled();
  assert.equal(shut.messages.length, 2);
});

test('get takes one message, says what remains, and is answered when there is none', async () => {
  await using broker = await TestBroker.start();
  const queue = broker.queue('q');
  publishMany(broker, 'q', 2);
  const answers: (number | 'empty')[] = [];
  const getter = {
    message: (_l: unknown, _o: number, _c: unknown, _at: number, _r: boolean, remaining: number) => {
      answers.push(remaining);
      return true;
    },
    empty: () => {
      answers.push('empty');
    },
    failed: assert.fail,
  };
  for (let i = 0; i < 3; i++) queue.get(true, getter);
  assert.deepEqual(answers, [1, 0, 'empty']);
  assertBalanced(queue);
});

test('purge removes what is ready and leaves what consumers hold', async () => {
  await using broker = await TestBroker.start();
  const queue = broker.queue('q');
  const consumer = new TestConsumer(queue, { prefetch: 2 });
  publishMany(broker, 'q', 5);
  await settled();
  assert.equal(queue.purge(), 3);
  assert.equal(queue.readyCount, 0);
  assert.equal(queue.unacknowledgedCount, 2);
  assertBalanced(queue);
  consumer.close();
  assert.equal(queue.readyCount, 2);
  await broker.restart();
  assert.equal(broker.queue('q').readyCount, 2);
});

test('a backlog on disk is purged at once, but for what consumers hold', async () => {
  const limits = {
    chunkBytes: 16384,
    memoryLimitBytes: 65536,
    journalFileBytes: 65536,
    journalLimitBytes: 131072,
  };
  await using broker = await TestBroker.start({ ...limits, segmentBytes: 65536 });
  const queue = broker.queue('q');
  const consumer = new TestConsumer(queue, { prefetch: 2 });
  for (let i = 0; i < 3000; i++) {
    broker.publish('q', `${i} ${'x'.repeat(200)}`);
    if (i % 50 === 0) await settled();
    while (broker.publisher.mustPause) await settled();
  }
  await broker.flush();
  assert.ok(queue.log.tailStart > 1000, 'most of it is in segments');
  assert.equal(queue.purge(), 2998);
  assertBalanced(queue);
  broker.publish('q', 'after');
  consumer.close();
  const rest = new TestConsumer(queue, { prefetch: 3 });
  await rest.received(3);
  assert.deepEqual(
    rest.bodies.map((body) => body.split(' ')[0]),
    ['0', '1', 'after'],
  );
  rest.close();
  await broker.flush();
  await broker.restart();
  assert.equal(broker.queue('q').readyCount, 3);
});

test('an exclusive consumer is alone', async () => {
  await using broker = await TestBroker.start();
  const queue = broker.queue('q');
  new TestConsumer(queue, { exclusive: true });
  assert.throws(() => new TestConsumer(queue), { kind: 'access-refused' });
  const other = broker.queue('other');
  new TestConsumer(other);
  assert.throws(() => new TestConsumer(other, { exclusive: true }), { kind: 'access-refused' });
});

test('an auto-delete queue goes with its last consumer, and a deleted queue cancels its consumers', async () => {
  await using broker = await TestBroker.start();
  const queue = broker.queue('auto', { autoDelete: true });
  const consumers = [new TestConsumer(queue), new TestConsumer(queue)];
  consumers[0]?.close();
  assert.equal(broker.broker.vhosts.get('/')?.findQueue('auto'), queue);
  consumers[1]?.close();
  assert.equal(broker.broker.vhosts.get('/')?.findQueue('auto'), undefined);

  const deleted = broker.queue('deleted');
  const consumer = new TestConsumer(deleted);
  publishMany(broker, 'deleted', 1);
  await settled();
  broker.broker.vhosts.get('/')?.deleteQueue('deleted', { ifUnused: false, ifEmpty: false }, null);
  assert.equal(consumer.wasCancelled, true);
  // Acknowledging what came from it is no error.
  assert.equal(consumer.unacknowledged.ack(1, false), 1);
});

test('a durable queue keeps its persistent messages over a restart, without the acknowledged ones', async () => {
  await using broker = await TestBroker.start();
  const queue = broker.queue('q');
  publishMany(broker, 'q', 4);
  broker.publish('q', 'transient', false);
  const consumer = new TestConsumer(queue, { prefetch: 2 });
  await consumer.received(2);
  consumer.unacknowledged.ack(2, false);
  await broker.restart();
  const again = new TestConsumer(broker.queue('q'));
  await again.received(3);
  await settled();
  assert.deepEqual(again.bodies, ['m0', 'm2', 'm3']);
  assert.deepEqual(
    again.messages.map((message) => message.redelivered),
    [true, false, false],
  );
});

test('a backlog far beyond the memory limit is kept on disk and comes back in order', async () => {
  const limits = {
    chunkBytes: 16384,
    memoryLimitBytes: 131072,
    journalFileBytes: 65536,
    journalLimitBytes: 262144,
  };
  await using broker = await TestBroker.start({ ...limits, segmentBytes: 131072 });
  let queue = broker.queue('q');
  const body = 'x'.repeat(200);
  const count = 5000;
  for (let i = 0; i < count; i++) {
    broker.publish('q', `${i} ${body}`, i % 3 !== 0 || i < 1000);
    if (i % 50 === 0) await settled();
    while (broker.publisher.mustPause) await settled();
  }
  await broker.flush();
  assert.ok((queue.log.segments?.bytes ?? 0) > 500_000, 'most of it is in segments');
  assert.ok(broker.broker.shard.store.chunks.bytes < 400_000, 'and not in memory');
  const half = new TestConsumer(queue, { prefetch: 100 });
  for (let received = 100; half.messages.length < 2500; received += 50) {
    await half.received(received);
    half.unacknowledged.ack(half.messages[received - 51]?.tag ?? 0, true);
  }
  half.close();
  await settled();
  assertBalanced(queue);
  const acked = queue.ledger.acknowledged;
  const rest = new TestConsumer(queue, { noAck: true });
  await rest.received(count - acked);
  assert.deepEqual(
    rest.messages.map((message) => Number.parseInt(message.body, 10)),
    Array.from({ length: count - acked }, (_, i) => i + acked),
  );
  assertBalanced(queue);
  await broker.restart();
  queue = broker.queue('q');
  assert.equal(queue.readyCount, 0);
});

test('one message that is never acknowledged does not keep the others in memory or on disk', async () => {
  const limits = {
    chunkBytes: 16384,
    memoryLimitBytes: 131072,
    journalFileBytes: 65536,
    journalLimitBytes: 131072,
  };
  await using broker = await TestBroker.start({ ...limits, segmentBytes: 65536, reclaimMs: 50 });
  const queue = broker.queue('q');
  const consumer = new TestConsumer(queue);
  const body = 'x'.repeat(200);
  for (let i = 0; i < 20_000; i++) {
    broker.publish('q', body);
    if (i % 100 !== 99) continue;
    await settled();
    for (const { tag } of consumer.messages.splice(0)) if (tag !== 1) consumer.unacknowledged.ack(tag, false);
    while (broker.publisher.mustPause) await settled();
  }
  await broker.flush();
  await settled();
  assert.equal(queue.unacknowledgedCount, 1);
  const { store } = broker.broker.shard;
  const bytesOnDisk = () => store.device.lengthBytes + (queue.log.segments?.bytes ?? 0);
  for (let i = 0; i < 100 && bytesOnDisk() > 400_000; i++) await setTimeout(50);
  const disk = bytesOnDisk();
  assert.ok(disk < 400_000, `${disk} bytes on disk`);
  assert.ok(store.chunks.bytes < 300_000, `${store.chunks.bytes} bytes in memory`);
});
