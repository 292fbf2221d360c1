import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TX_ACKNOWLEDGEMENTS_MAX, TX_MESSAGES_MAX, Tx } from '../../../src/broker/publishing/tx.ts';
import { Unacknowledged } from '../../../src/broker/queues/unacknowledged.ts';
import { bareMessage } from '../../../src/broker/topology/routing.ts';
import { MessageView } from '../../../src/records/message-view.ts';
import { fillView, TestBroker } from '../test-broker.ts';

const MIB = 1024 * 1024;

test('a transaction of many times the memory limit goes to disk, and holds nobody up for good', async () => {
  await using broker = await TestBroker.start({ memoryLimitBytes: 8 * MIB });
  const queue = broker.queue('q');
  const vhost = broker.broker.vhosts.get('/');
  assert.ok(vhost !== undefined);
  const route = vhost.route(vhost.defaultExchange, 'q', bareMessage);
  const transaction = new Tx(broker.broker.shard, broker.broker.deadLettering, new Unacknowledged());
  const messageView = new MessageView();
  for (let i = 0; i < 48; i++) {
    fillView(messageView, 'q', Buffer.alloc(MIB, 0x78));
    transaction.publish(route, true, messageView);
  }
  await new Promise<void>((resolve) => transaction.commit(() => resolve()));
  const { chunks } = broker.broker.shard.store;
  for (let i = 0; i < 1000 && chunks.bytes > 16 * MIB; i++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.ok(chunks.bytes <= 16 * MIB, `${Math.round(chunks.bytes / MIB)} MiB`);
  assert.equal(queue.readyCount, 48);
});

test('a transaction that holds more than can be appended at once is refused, with the limit', async () => {
  await using broker = await TestBroker.start();
  const queue = broker.queue('q');
  const vhost = broker.broker.vhosts.get('/');
  assert.ok(vhost !== undefined);
  const route = vhost.route(vhost.defaultExchange, 'q', bareMessage);
  const transaction = new Tx(broker.broker.shard, broker.broker.deadLettering, new Unacknowledged());
  const messageView = new MessageView();
  fillView(messageView, 'q', Buffer.from('x'));
  for (let i = 0; i < TX_MESSAGES_MAX; i++) transaction.publish(route, true, messageView);
  assert.throws(
    () => transaction.publish(route, true, messageView),
    /at most 16384 messages: commit more often/,
  );
  for (let i = 0; i < TX_ACKNOWLEDGEMENTS_MAX; i++) transaction.acknowledge(i + 1, false, 'ack');
  assert.throws(
    () => transaction.acknowledge(1, false, 'ack'),
    /at most 65536 deliveries: commit more often/,
  );
  transaction.rollback();
  transaction.publish(route, true, messageView);
  await new Promise<void>((resolve) => transaction.commit(() => resolve()));
  assert.equal(queue.readyCount, 1);
});
