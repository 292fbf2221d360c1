import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LimitsFixture } from './queue-fixture.ts';

const args = { 'x-delayed-retry-type': 'all', 'x-delayed-retry-min': 100, 'x-delayed-retry-max': 250 };

describe('a delayed retry', () => {
  it('comes after n times the shortest delay, and never later than the longest', () => {
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

  it('is for the kind of failure that the queue names', () => {
    const kinds = { all: [1, 1], failed: [1, 0], returned: [0, 1] };
    for (const [kind, [rejected, returned]] of Object.entries(kinds)) {
      for (const [wasRejected, waiting] of [
        [true, rejected],
        [false, returned],
      ] as const) {
        const test = new LimitsFixture({ ...args, 'x-delayed-retry-type': kind });
        test.publish(test.level, 1);
        test.fail(wasRejected);
        assert.equal(test.limits.retry.count, waiting, `${kind}, rejected: ${wasRejected}`);
      }
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
