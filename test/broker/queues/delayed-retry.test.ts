import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LimitsFixture } from './queue-fixture.ts';

const args = { 'x-delayed-retry-type': 'all', 'x-delayed-retry-min': 100, 'x-delayed-retry-max': 250 };

describe('a delayed retry', () => {
  it('comes after the n-th failure by n times the shortest delay, and never later than the longest', () => {
    const test = new LimitsFixture(args);
    test.publish(test.level, 7);
    for (const delayMs of [100, 200, 250, 250]) {
      test.fail();
      test.apply();
      assert.deepEqual([test.depth.ready, test.depth.readyBytes, test.limits.retry.count], [0, 0, 1]);
      const { pumps } = test;
      test.pass(delayMs - 1);
      test.apply();
      assert.deepEqual([test.depth.ready, test.pumps], [0, pumps]);
      test.pass(1);
      assert.equal(test.pumps, pumps + 1, 'the queue is pumped when it is due');
      test.apply();
      assert.deepEqual([test.depth.ready, test.depth.readyBytes, test.limits.retry.count], [1, 7, 0]);
    }
  });

  it('gives messages back at their old places', () => {
    const test = new LimitsFixture(args);
    for (let i = 0; i < 3; i++) test.publish(test.level, 1);
    test.fail();
    test.fail();
    assert.equal(test.level.peek(), 2);
    test.pass(100);
    test.apply();
    assert.equal(test.level.peek(), 0);
  });

  it('is for what failed, what was given back unprocessed, or both, as the queue says', () => {
    const kinds = { all: [1, 1, 1, 1, 1], failed: [1, 1, 0, 0, 0], returned: [0, 0, 1, 1, 1] };
    const reasons = ['rejected', 'lost', 'returned', 'recovered', 'timeout'] as const;
    for (const [kind, waiting] of Object.entries(kinds)) {
      const waits = reasons.map((reason) => {
        const test = new LimitsFixture({ ...args, 'x-delayed-retry-type': kind });
        test.publish(test.level, 1);
        test.fail(reason);
        return test.limits.retry.count;
      });
      assert.deepEqual(waits, waiting, kind);
    }
  });

  it('is no longer for what was given back again, as that is no failure', () => {
    const test = new LimitsFixture({ ...args, 'x-delayed-retry-type': 'returned' });
    test.publish(test.level, 1);
    for (let i = 0; i < 3; i++) {
      test.fail('returned');
      test.pass(99);
      test.apply();
      assert.equal(test.depth.ready, 0);
      test.pass(1);
      test.apply();
      assert.equal(test.depth.ready, 1);
    }
  });

  it('ends with the delivery limit', () => {
    const test = new LimitsFixture({ ...args, 'x-delivery-limit': 1 });
    test.publish(test.level, 1);
    test.fail();
    test.pass(100);
    test.apply();
    test.fail();
    assert.deepEqual([test.limits.retry.count, test.ledger.dropped], [0, 1]);
  });
});
