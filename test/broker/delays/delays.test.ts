import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { DelayedBroker, EXCHANGE } from './delayed-broker.ts';

const HOUR = 3_600_000;

async function started(seed: number, limits = {}): Promise<DelayedBroker> {
  const test = new DelayedBroker(seed, limits);
  await test.start();
  await test.declare([['q', 'k']]);
  return test;
}

describe('a message with a delay', () => {
  it('waits that long, and comes with the delay negated', async () => {
    const test = await started(1);
    test.publish(1, 'k', 250);
    await test.pass(245);
    assert.equal(test.vhost.findQueue('q')?.readyCount, 0);
    assert.equal(test.delays.waitingCount, 1);
    await test.pass(10);
    assert.equal(test.vhost.findQueue('q')?.readyCount, 1);
    const [arrival] = await test.drain('q');
    assert.equal(arrival?.delayHeader, -250);
    assert.equal(test.imbalance(), null);
    await test.stop();
  });

  it('comes in the order of due times, whatever the order of publishing', async () => {
    const test = await started(2);
    const delays = Array.from({ length: 500 }, () => 1 + Math.floor(test.random() * 9000));
    const base = test.time.nowMs;
    for (const [id, delay] of delays.entries()) test.publish(id, 'k', delay);
    await test.pass(9100);
    const arrivals = await test.drain('q');
    const due = arrivals.map(({ id }) => delays[id]);
    assert.equal(due.length, 500);
    // Those that come due within the same step of the clock may come in any order.
    for (let i = 1; i < due.length; i++) assert.ok(due[i] >= due[i - 1] - 3);
    assert.ok(test.time.nowMs - base >= 9000);
    await test.stop();
  });

  it('passes through narrower and narrower buckets, and none of them stays', async () => {
    const test = await started(3);
    test.publish(1, 'k', 30 * 24 * HOUR);
    await test.jump(30 * 24 * HOUR - 100);
    assert.equal(test.vhost.findQueue('q')?.readyCount, 0);
    await test.pass(150);
    assert.equal(test.vhost.findQueue('q')?.readyCount, 1);
    await test.pass(3000);
    assert.deepEqual([...test.delays.logIds()], []);
    assert.equal(test.imbalance(), null);
    await test.stop();
  });

  it('waits on over a restart, and is not late for it', async () => {
    const test = await started(4);
    test.publish(1, 'k', 5000);
    test.publish(2, 'k', 200_000);
    await test.stop();
    await test.start();
    assert.equal(test.delays.waitingCount, 2);
    await test.pass(4900);
    assert.equal(test.vhost.findQueue('q')?.readyCount, 0);
    await test.pass(200);
    assert.equal(test.vhost.findQueue('q')?.readyCount, 1);
    await test.pass(196_000);
    assert.equal(test.vhost.findQueue('q')?.readyCount, 2);
    assert.equal(test.imbalance(), null);
    await test.stop();
  });

  it('is routed at the start when it came due while the broker was down', async () => {
    const test = await started(5);
    for (let id = 0; id < 2000; id++) test.publish(id, 'k', 1 + Math.floor(test.random() * 100_000));
    await test.stop();
    test.time.nowMs += 24 * HOUR;
    await test.start();
    await test.pass(500);
    assert.equal(test.vhost.findQueue('q')?.readyCount, 2000);
    assert.equal(test.imbalance(), null);
    await test.stop();
  });

  it('is counted as unroutable where nothing is bound then, and as dropped when its exchange is gone', async () => {
    const test = await started(6);
    test.publish(1, 'nowhere', 100);
    await test.pass(200);
    assert.equal(test.delays.ledger.unroutable, 1);
    test.publish(2, 'k', 100);
    test.vhost.deleteExchange(EXCHANGE);
    await test.pass(200);
    assert.equal(test.delays.ledger.dropped, 1);
    assert.equal(test.imbalance(), null);
    await test.stop();
  });

  it('is gone with its virtual host', async () => {
    const test = await started(7);
    test.publish(1, 'k', 100_000);
    await test.until(test.broker.shard.store.journal.flush());
    const logs = test.broker.shard.store.logs.size;
    test.broker.vhosts.delete('/');
    assert.equal(test.broker.shard.store.logs.size, logs - 2);
    await test.stop();
    await test.start();
    assert.deepEqual([...test.broker.delays.logIds()], []);
    await test.stop();
  });

  it('takes no memory once there are many: they go to segments', async () => {
    const test = await started(8, { chunkBytes: 16_384, memoryLimitBytes: 131_072, reclaimMs: 1000 });
    for (let id = 0; id < 6000; id++) {
      test.publish(id, 'k', 500_000 + Math.floor(test.random() * 60_000));
      if (id % 50 === 0) await test.step();
    }
    await test.pass(2000);
    const { chunks } = test.broker.shard.store;
    assert.ok(chunks.bytes < 250_000, `${chunks.bytes} bytes`);
    let ring = 0;
    for (const log of test.broker.shard.store.logs.values()) ring += log.ring.length;
    assert.ok(ring < 6000, `${ring} references`);
    await test.jump(570_000);
    assert.equal(test.vhost.findQueue('q')?.readyCount, 6000);
    const ids = new Set((await test.drain('q')).map(({ id }) => id));
    assert.equal(ids.size, 6000);
    assert.equal(test.imbalance(), null);
    await test.stop();
  });
});
