import assert from 'node:assert/strict';
import { test } from 'node:test';
import { settled, TestBroker, TestConsumer } from './test-broker.ts';

test('what is on its way out when the dead-letter exchange is taken away is dropped, and goes nowhere else', async () => {
  await using broker = await TestBroker.start();
  const vhost = broker.broker.vhost('/');
  assert.ok(vhost);
  const queue = broker.queue('q');
  const dead = broker.queue('dead');
  vhost.setPolicy({
    name: 'dead',
    pattern: '^q$',
    definition: { 'dead-letter-exchange': '', 'dead-letter-routing-key': 'dead' },
  });
  const consumer = new TestConsumer(queue, { prefetch: 3 });
  for (let i = 0; i < 3; i++) broker.publish('q', `m${i}`);
  await settled();
  consumer.unacked.reject(0, true, false);
  consumer.consumer.cancel();
  vhost.clearPolicy('dead');
  await settled();
  assert.deepEqual([queue.readyCount, queue.leavingCount, dead.readyCount], [0, 0, 0]);
  assert.deepEqual([queue.ledger.dropped, queue.ledger.deadLettered], [3, 0]);
  assert.ok(queue.isBalanced);
});
