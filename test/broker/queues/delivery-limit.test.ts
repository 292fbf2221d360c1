import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LimitsFixture } from './queue-fixture.ts';

describe('the delivery limit', () => {
  it('lets a message fail as often as it says, and discards it with the next failure', () => {
    const test = new LimitsFixture({ 'x-delivery-limit': 2 });
    test.publish(test.level, 7);
    test.fail();
    test.fail('lost');
    assert.deepEqual([test.level.failuresOf(0), test.depth.ready, test.depth.readyBytes], [2, 1, 7]);
    test.fail();
    assert.deepEqual([test.depth.ready, test.depth.unacknowledged, test.ledger.dropped], [0, 0, 1]);
    assert.equal(test.level.failures?.size, 0);
  });

  it('counts what was rejected or lost with its consumer, and nothing else; how often a message came back at all is told, too', () => {
    const test = new LimitsFixture({ 'x-delivery-limit': 2 });
    test.publish(test.level, 1);
    const reasons = ['returned', 'rejected', 'recovered', 'timeout', 'lost', 'returned'] as const;
    const counts = reasons.map((reason) => {
      test.fail(reason);
      return [test.level.failuresOf(0), test.level.acquisitionsOf(0)];
    });
    assert.deepEqual(counts, [
      [0, 1],
      [1, 2],
      [1, 3],
      [1, 4],
      [2, 5],
      [2, 6],
    ]);
    test.fail();
    assert.equal(test.ledger.dropped, 1);
    assert.equal(test.level.acquisitions?.size, 0);
  });

  it('sends the message to the dead-letter exchange, if there is one', () => {
    const test = new LimitsFixture({ 'x-delivery-limit': 0, 'x-dead-letter-exchange': 'dlx' });
    test.publish(test.level, 1);
    test.fail();
    assert.equal(test.limits.outbox.count, 1);
    test.apply();
    assert.deepEqual(test.deadLetters, [['0 delivery_limit']]);
  });

  it('has each count of a durable queue recorded once, but not the failure that was one too many', () => {
    const test = new LimitsFixture({ 'x-delivery-limit': 1 });
    test.publish(test.level, 1);
    test.fail();
    assert.equal(test.pumps, 1);
    test.apply();
    test.apply();
    test.fail();
    test.apply();
    assert.deepEqual(
      test.returns.map(({ level, offset, failures, acquisitions }) => [
        level === test.level,
        offset,
        failures,
        acquisitions,
      ]),
      [[true, 0, 1, 1]],
    );
  });

  it('has nothing recorded of a queue that a restart empties', () => {
    const test = new LimitsFixture({ 'x-delivery-limit': 5 }, { durable: false });
    test.publish(test.level, 1);
    test.fail();
    test.apply();
    assert.deepEqual([test.level.failuresOf(0), test.returns.length], [1, 0]);
  });

  it('only counts, where a quorum queue has none', () => {
    const test = new LimitsFixture({ 'x-queue-type': 'quorum' });
    test.publish(test.level, 1);
    for (let i = 0; i < 100; i++) test.fail();
    assert.deepEqual([test.level.failuresOf(0), test.depth.ready], [100, 1]);
  });
});
