import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bareMessage } from '../../src/broker/topology/routing.ts';
import { Transaction } from '../../src/broker/transaction.ts';
import { Unacked } from '../../src/broker/unacked.ts';
import { MessageParts } from '../../src/log/message-parts.ts';
import { fillParts, TestBroker } from './test-broker.ts';

const MIB = 1024 * 1024;

test('a transaction of many times the memory limit goes to disk, and holds nobody up for good', async () => {
  await using broker = await TestBroker.start({ memoryLimitBytes: 8 * MIB });
  const queue = broker.queue('q');
  const vhost = broker.broker.vhost('/');
  assert.ok(vhost !== undefined);
  const route = vhost.route(vhost.defaultExchange, 'q', bareMessage);
  const transaction = new Transaction(broker.broker, new Unacked());
  const parts = new MessageParts();
  for (let i = 0; i < 48; i++) {
    fillParts(parts, 'q', Buffer.alloc(MIB, 0x78));
    transaction.publish(route, true, parts);
  }
  await new Promise<void>((resolve) => transaction.commit(() => resolve()));
  const { chunks } = broker.broker.store;
  for (let i = 0; i < 1000 && chunks.bytes > 16 * MIB; i++) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.ok(chunks.bytes <= 16 * MIB, `${Math.round(chunks.bytes / MIB)} MiB`);
  assert.equal(queue.readyCount, 48);
});
