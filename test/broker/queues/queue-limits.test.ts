import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { REFUSED } from '../../../src/broker/publishing/publisher.ts';
import { Tx } from '../../../src/broker/publishing/tx.ts';
import { asLocal } from '../../../src/broker/queues/any-queue.ts';
import type { PriorityLevel } from '../../../src/broker/queues/priority-level.ts';
import { Unacknowledged } from '../../../src/broker/queues/unacknowledged.ts';
import { bareMessage } from '../../../src/broker/topology/routing.ts';
import { fillView, type Message } from '../../model/message.ts';
import { DrivenTime } from '../../support/driven-time.ts';
import { until } from '../../support/until.ts';
import { declare, settled, TestBroker, TestConsumer } from '../test-broker.ts';

function message(key: string, id: number, more: Partial<Message> = {}): Message {
  const plain = { exchange: '', size: 1, priority: 0, ttlMs: Infinity, isPersistent: true, name: null };
  return { ...plain, key, id, ...more };
}

function routeTo(test: TestBroker, key: string) {
  const vhost = test.broker.vhosts.get('/')!;
  return vhost.route(vhost.defaultExchange, key, bareMessage);
}

function publish(test: TestBroker, key: string, id: number, more: Partial<Message> = {}): number {
  test.broker.shard.turn.touch();
  const published = message(key, id, more);
  fillView(test.publisher.messageView, published);
  return test.publisher.publish(routeTo(test, key), published.isPersistent);
}

async function commit(transaction: Tx): Promise<void> {
  await new Promise<void>((resolve) => transaction.commit(() => resolve()));
  await settled();
}

function publishIn(transaction: Tx, test: TestBroker, published: Message): void {
  fillView(test.publisher.messageView, published);
  transaction.publish(routeTo(test, published.key), published.isPersistent, test.publisher.messageView);
}

describe('the limits of a queue', () => {
  it('let go of what expired behind a message that was dropped for want of room', async () => {
    await using test = await TestBroker.start();
    const queue = declare(test, 'q', { 'x-max-length': 2 });
    publish(test, 'q', 1);
    publish(test, 'q', 2, { ttlMs: 0 });
    await settled();
    assert.equal(queue.readyCount, 2);
    publish(test, 'q', 3);
    await settled();
    assert.equal(queue.readyCount, 1);
    assert.deepEqual([queue.ledger.dropped, queue.ledger.expired], [1, 1]);
  });

  it('hold for a transaction that brings too much by itself, and the same message twice', async () => {
    await using test = await TestBroker.start();
    const full = declare(test, 'full', { 'x-max-length': 1, 'x-overflow': 'reject-publish' });
    const once = declare(test, 'once', { 'x-message-deduplication': true });
    const transaction = new Tx(test.broker.shard, test.broker.deadLettering, new Unacknowledged());
    for (const id of [1, 2]) publishIn(transaction, test, message('full', id));
    await assert.rejects(commit(transaction), /partial tx completion/);
    for (const id of [3, 4]) publishIn(transaction, test, message('once', id, { name: 'a' }));
    await commit(transaction);
    assert.deepEqual([full.readyCount, full.ledger.refused], [0, 1]);
    assert.deepEqual([once.readyCount, once.ledger.duplicates], [1, 1]);
  });

  it('hold for the next message when a policy brings them, whoever published before', async () => {
    await using test = await TestBroker.start();
    declare(test, 'q', {});
    publish(test, 'q', 1);
    const definition = { 'max-length': 1, overflow: 'reject-publish' };
    test.broker.vhosts.get('/')!.setPolicy({ name: 'p', pattern: 'q', definition });
    assert.equal(publish(test, 'q', 2), REFUSED);
  });

  it('count the time without use from the policy on that limits it', async () => {
    const time = new DrivenTime();
    await using test = await TestBroker.start({ clock: time, scheduler: time });
    declare(test, 'q', {});
    time.pass(300);
    test.broker.vhosts.get('/')!.setPolicy({ name: 'p', pattern: 'q', definition: { expires: 250 } });
    time.pass(240);
    await settled();
    assert.ok(test.broker.vhosts.get('/')!.findQueue('q') !== undefined);
    time.pass(20);
    await until(() => test.broker.vhosts.get('/')!.findQueue('q') === undefined);
  });

  it('keep a message from being delivered that expired while a consumer had it', async () => {
    await using test = await TestBroker.start();
    const queue = declare(test, 'q', {});
    publish(test, 'q', 1);
    const consumer = new TestConsumer(queue);
    await consumer.received(1);
    await new Promise((resolve) => setTimeout(resolve, 10));
    test.broker.vhosts.get('/')!.setPolicy({ name: 'p', pattern: 'q', definition: { 'message-ttl': 1 } });
    consumer.unacknowledged.reject(0, true, true);
    await settled();
    assert.deepEqual([consumer.messages.length, queue.ledger.expired], [1, 1]);
  });
});

describe('what leaves a queue', () => {
  it('in a transaction by a rejection goes where dead letters go', async () => {
    await using test = await TestBroker.start();
    const dead = declare(test, 'dead', {});
    const queue = declare(test, 'q', {
      'x-dead-letter-exchange': '',
      'x-dead-letter-routing-key': 'dead',
    });
    publish(test, 'q', 1);
    const consumer = new TestConsumer(queue);
    await consumer.received(1);
    const transaction = new Tx(test.broker.shard, test.broker.deadLettering, consumer.unacknowledged);
    transaction.acknowledge(1, false, 'drop');
    await commit(transaction);
    assert.deepEqual([dead.readyCount, queue.ledger.deadLettered, queue.ledger.acknowledged], [1, 1, 0]);
  });

  it('is as persistent as it says, though its queue was not durable', async () => {
    await using test = await TestBroker.start();
    declare(test, 'dead', {});
    const args = { 'x-max-length': 0, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead' };
    declare(test, 'q', args, false);
    publish(test, 'q', 1);
    publish(test, 'q', 2, { isPersistent: false });
    await settled();
    await test.restart();
    assert.equal(asLocal(test.broker.vhosts.get('/')!.findQueue('dead'))?.readyCount, 1);
  });
});

describe('a restart', () => {
  it('makes a queue forget the names of messages that it forgot', async () => {
    await using test = await TestBroker.start();
    declare(test, 'q', { 'x-message-deduplication': true });
    publish(test, 'q', 1, { name: 'transient', isPersistent: false });
    publish(test, 'q', 2, { name: 'persistent' });
    await settled();
    await test.restart();
    publish(test, 'q', 3, { name: 'transient' });
    publish(test, 'q', 4, { name: 'persistent' });
    const queue = asLocal(test.broker.vhosts.get('/')!.findQueue('q'))!;
    assert.deepEqual([queue.readyCount, queue.ledger.duplicates], [2, 1]);
  });

  it('leaves a queue the names of messages that are still there, and of no others, whatever the snapshot says', async () => {
    for (const isSnapshotted of [false, true]) {
      await using test = await TestBroker.start();
      declare(test, 'q', { 'x-message-deduplication': true, 'x-max-priority': 3 });
      for (const [id, name] of ['acked', 'left', 'high'].entries()) {
        publish(test, 'q', id, { name, priority: name === 'high' ? 2 : 0 });
      }
      await settled();
      if (isSnapshotted) await test.restart();
      const unacknowledged = new Unacknowledged();
      const again = asLocal(test.broker.vhosts.get('/')!.findQueue('q'))!;
      const transaction = new Tx(test.broker.shard, test.broker.deadLettering, unacknowledged);
      again.addConsumer({
        tag: 'c',
        sink: {
          deliver: (from, level, offset, chunk, at, _, content) => {
            const tag = unacknowledged.add(level, from, offset, chunk, at, content);
            if ((level as PriorityLevel).priority === 0 && offset === 0)
              transaction.acknowledge(tag, false, 'ack');
            return true;
          },
          cancelled: () => undefined,
        },
        gate: { open: true },
        credit: 10,
        noAck: false,
        exclusive: false,
        arguments: {},
      });
      await settled();
      await commit(transaction);
      await test.restart();
      const restarted = asLocal(test.broker.vhosts.get('/')!.findQueue('q'))!;
      for (const [id, name] of ['acked', 'left', 'high'].entries()) publish(test, 'q', 10 + id, { name });
      assert.deepEqual([restarted.readyCount, restarted.ledger.duplicates], [3, 2]);
    }
  });
});
