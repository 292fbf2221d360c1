import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Tx } from '../../../src/broker/publishing/tx.ts';
import { until } from '../../support/until.ts';
import { isNothingLeft, publishTo, queueAt, ShardConsumer } from './shard-consumer.ts';
import { TestShards } from './test-shards.ts';

/** A transaction of the channel that this consumer is on. */
function txOf(test: TestShards, shard: number, { unacknowledged }: ShardConsumer): Tx {
  const broker = test.brokers[shard];
  return new Tx(broker.shard, broker.deadLettering, unacknowledged);
}

function commit(tx: Tx): Promise<void> {
  return new Promise((resolve) => {
    const tryIt = (): void => {
      if (!tx.mustWait(tryIt)) tx.commit(() => resolve());
    };
    tryIt();
  });
}

describe('a tx with deliveries of a queue of another shard', () => {
  it('ends each of them there in its own way, once, and the consumer is given the next ones', async () => {
    await using test = await TestShards.start(3);
    await test.declare(0, 'dead', { shard: 2 });
    await test.declare(0, 'work', {
      shard: 1,
      arguments: { 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead' },
    });
    for (let n = 1; n <= 6; n++) publishTo(test, 'work', `m${n}`);
    const consumer = await ShardConsumer.open(test, 0, 'work', { credit: 4 });
    await until(() => consumer.messages.length === 4);
    const tx = txOf(test, 0, consumer);
    for (const [index, outcome] of (['ack', 'drop', 'requeue', 'return'] as const).entries()) {
      tx.acknowledge(consumer.messages[index].tag, false, outcome);
    }
    const work = queueAt(test, 'work');
    assert.equal(work.unacknowledgedCount, 4);
    await commit(tx);
    await until(() => consumer.messages.length === 8);
    assert.deepEqual(consumer.bodies.slice(4).sort(), ['m3', 'm4', 'm5', 'm6']);
    const again = consumer.messages.filter(({ redelivered }) => redelivered);
    assert.deepEqual(again.map(({ body }) => body).sort(), ['m3', 'm4']);
    await until(() => queueAt(test, 'dead').readyCount === 1);
    assert.deepEqual([work.unacknowledgedCount, work.readyCount, work.ledger.acknowledged], [4, 0, 1]);
    assert.equal(consumer.consumer.unacknowledgedCount, 4);
    consumer.close();
    await until(() => work.readyCount === 4 && isNothingLeft(test));
    assert.ok(work.isBalanced);
  });

  it('is settled, and does not go back, when its channel ends right after the commit', async () => {
    await using test = await TestShards.start(2);
    await test.declare(0, 'work', { shard: 1 });
    for (let n = 0; n < 100; n++) publishTo(test, 'work', `m${n}`);
    const consumer = await ShardConsumer.open(test, 0, 'work', { credit: 100 });
    await until(() => consumer.messages.length === 100);
    const tx = txOf(test, 0, consumer);
    tx.acknowledge(consumer.messages[59].tag, true, 'ack');
    // Otherwise it waits until it is known what the other shard takes, and ends with its channel.
    await until(() => !tx.mustWait(() => undefined));
    const committed = commit(tx);
    consumer.close();
    await committed;
    const work = queueAt(test, 'work');
    await until(() => work.unacknowledgedCount === 0 && isNothingLeft(test));
    assert.deepEqual([work.readyCount, work.ledger.acknowledged], [40, 60]);
  });

  it('more than one entry of an outbox takes is settled as a whole', async () => {
    await using test = await TestShards.start(2);
    await test.declare(0, 'work', { shard: 1 });
    const count = 1500;
    for (let n = 0; n < count; n++) publishTo(test, 'work', `m${n}`);
    const consumer = await ShardConsumer.open(test, 0, 'work');
    await until(() => consumer.messages.length === count);
    const tx = txOf(test, 0, consumer);
    tx.acknowledge(consumer.messages[count - 1].tag, true, 'ack');
    await commit(tx);
    const work = queueAt(test, 'work');
    await until(() => work.unacknowledgedCount === 0);
    assert.equal(work.ledger.acknowledged, count);
  });
});
