import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LimitsFixture } from './queue-fixture.ts';

const args = { 'x-dead-letter-exchange': 'dlx' };

function reject(test: LimitsFixture, count: number): void {
  for (let i = 0; i < count; i++) {
    test.publish(test.level, 1);
    const offset = test.level.peek();
    test.level.deliver(offset, 1);
    test.level.reject(offset);
  }
}

describe('the dead-letter outbox', () => {
  it('sends messages in their order, 256 at a time', () => {
    const test = new LimitsFixture(args);
    reject(test, 300);
    assert.deepEqual([test.limits.outbox.count, test.ledger.dropped], [300, 0]);
    test.apply();
    assert.deepEqual(
      test.deadLetters.map(({ length }) => length),
      [256, 44],
    );
    assert.equal(test.deadLetters.flat()[299], '299 rejected');
    assert.equal(test.ledger.deadLettered, 300);
    assert.equal(test.limits.outbox.count, 0);
  });

  it('keeps what there is no room for, and sends it later', () => {
    const test = new LimitsFixture(args);
    reject(test, 2);
    test.hasRoom = false;
    test.apply();
    assert.equal(test.limits.outbox.count, 2);
    assert.equal(test.level.log.isAcknowledged(0), false);
    assert.equal(test.ledger.deadLettered, 0);
    test.hasRoom = true;
    test.apply();
    assert.deepEqual(test.deadLetters, [['0 rejected', '1 rejected']]);
  });

  it('waits for a message in a segment, and with it for those behind', () => {
    const test = new LimitsFixture(args);
    reject(test, 3);
    test.page(test.level, 1);
    test.apply();
    assert.deepEqual([test.deadLetters.length, test.limits.outbox.count], [0, 3]);
    assert.equal(test.limits.outbox.forget(test.level, 0), true);
    assert.equal(test.limits.outbox.forget(test.level, 0), false);
    test.apply();
    assert.deepEqual(test.deadLetters, [['1 rejected', '2 rejected']]);
  });

  it('settles what would have to be read, when that is given up', () => {
    const test = new LimitsFixture(args);
    reject(test, 3);
    test.page(test.level, 2);
    assert.equal(test.limits.outbox.giveUpUnread(), 2);
    test.apply();
    assert.deepEqual(test.deadLetters, [['2 rejected']]);
    assert.equal(test.level.log.head, 3);
  });

  it('drops what was not sent yet when the dead-letter exchange is taken away', () => {
    const test = new LimitsFixture(args);
    reject(test, 2);
    test.limits.outbox.configure(false);
    assert.deepEqual([test.limits.outbox.count, test.ledger.dropped, test.level.log.head], [0, 2, 2]);
  });

  it('stops what expires from leaving its queue when too much waits', () => {
    const test = new LimitsFixture({ ...args, 'x-message-ttl': 0 });
    test.hasRoom = false;
    for (let i = 0; i < 5000; i++) test.publish(test.level, 1);
    for (let i = 0; i < 30; i++) test.apply();
    assert.deepEqual([test.limits.outbox.count, test.depth.ready], [4096, 904]);
    test.hasRoom = true;
    for (let i = 0; i < 30; i++) test.apply();
    assert.deepEqual([test.limits.outbox.count, test.depth.ready], [0, 0]);
  });
});
