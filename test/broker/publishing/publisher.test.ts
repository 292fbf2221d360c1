import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AtomicAppend } from '../../../src/broker/publishing/atomic-append.ts';
import { Tx } from '../../../src/broker/publishing/tx.ts';
import { Unacknowledged } from '../../../src/broker/queues/unacknowledged.ts';
import { bareMessage } from '../../../src/broker/topology/routing.ts';
import { amqp091Codec } from '../../../src/servers/amqp091/property-codec.ts';
import { TxChannel } from '../../../src/servers/amqp091/publish/tx-channel.ts';
import { declare, fillView, TestBroker } from '../test-broker.ts';

const MEMORY_BYTES = 4 << 20;
const BODY = Buffer.alloc(4096);

function routeTo(test: TestBroker, name: string) {
  const vhost = test.broker.vhosts.get('/');
  assert.ok(vhost);
  return vhost.route(vhost.defaultExchange, name, bareMessage);
}

/** Persistent, and with a name that a deduplicating queue knows it by. */
function fillNamed(test: TestBroker, name: string): void {
  const { messageView } = test.publisher;
  fillView(messageView, 'q', 'body');
  messageView.properties = amqp091Codec.encode({
    headers: { 'x-deduplication-header': name },
    persistent: true,
  });
  messageView.propertiesEnd = messageView.properties.length;
}

test('who fills a queue with messages of a priority is told to pause as any other publisher', async () => {
  await using broker = await TestBroker.start({ memoryLimitBytes: MEMORY_BYTES, chunkBytes: 1 << 18 });
  declare(broker, 'q', { 'x-max-priority': 9 });
  const { chunks } = broker.broker.shard.store;
  while (!broker.publisher.mustPause && chunks.bytes < 4 * MEMORY_BYTES) {
    broker.publisher.messageView.priority = 5;
    broker.publish('q', BODY, false);
  }
  assert.ok(chunks.bytes < 2 * MEMORY_BYTES, `${chunks.bytes} bytes`);
});

const UNCOUNTED = { add: () => undefined, hold: () => undefined };

test('a transaction that fills memory is answered when there is room again', async () => {
  await using broker = await TestBroker.start({ memoryLimitBytes: MEMORY_BYTES, chunkBytes: 1 << 18 });
  broker.queue('q');
  const route = routeTo(broker, 'q');
  const { chunks } = broker.broker.shard.store;
  const transaction = new TxChannel(broker.broker, new Unacknowledged(), UNCOUNTED);
  let isAnswered = true;
  let onAnswer = (): void => undefined;
  while (isAnswered && chunks.bytes < 4 * MEMORY_BYTES) {
    fillView(broker.publisher.messageView, 'q', BODY);
    for (let i = 0; i < 16; i++) transaction.publish(route, false, broker.publisher.messageView, null);
    isAnswered = false;
    transaction.commit(() => {
      isAnswered = true;
      onAnswer();
    });
  }
  assert.ok(chunks.bytes < 2 * MEMORY_BYTES, `${chunks.bytes} bytes`);
  // Some of it goes to the disk.
  await new Promise<void>((resolve) => {
    onAnswer = resolve;
  });
});

test('a message that a queue has seen is confirmed when the first of that name is safe, and not before', async () => {
  await using broker = await TestBroker.start();
  const queue = declare(broker, 'q', { 'x-message-deduplication': true });
  const route = routeTo(broker, 'q');
  await broker.flush();
  fillNamed(broker, 'one');
  const first = broker.publisher.publish(route, true);
  assert.ok(first > 0);
  fillNamed(broker, 'one');
  assert.equal(broker.publisher.publish(route, true), first);

  const transaction = new Tx(broker.broker.shard, broker.broker.deadLettering, new Unacknowledged());
  transaction.publish(route, true, broker.publisher.messageView);
  let isDurable: boolean | null = null;
  await new Promise<void>((resolve) =>
    transaction.commit(() => {
      isDurable = broker.broker.shard.isDurable(first);
      resolve();
    }),
  );
  assert.equal(isDurable, true);
  assert.equal(queue.ledger.duplicates, 2);
  assert.equal(queue.readyCount, 1);
  fillNamed(broker, 'one');
  assert.equal(broker.publisher.publish(route, true), 0);
});

test('blocks that bring transient messages share chunks of memory, however many blocks there are', async () => {
  await using broker = await TestBroker.start({ memoryLimitBytes: MEMORY_BYTES, chunkBytes: 1 << 14 });
  broker.queue('q', { durable: false });
  const { shard } = broker.broker;
  const before = shard.store.chunks.bytes;
  for (let i = 0; i < 500; i++) {
    const atomic = new AtomicAppend(shard);
    atomic.begin(1000);
    broker.publish('q', 'x'.repeat(100), false);
    atomic.end();
  }
  const taken = shard.store.chunks.bytes - before;
  assert.ok(taken < 300_000, `${taken} bytes for 500 messages of 100`);
});
