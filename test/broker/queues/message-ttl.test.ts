import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { LimitsFixture } from './queue-fixture.ts';

describe('the time to live of messages', () => {
  it("ends to the millisecond after the queue's limit, from the head on", () => {
    const test = new LimitsFixture({ 'x-message-ttl': 100 });
    test.publish(test.level, 10);
    test.pass(40);
    test.publish(test.level, 20);
    test.pass(59);
    test.apply();
    assert.deepEqual([test.depth.ready, test.ledger.expired], [2, 0]);
    test.pass(1);
    test.apply();
    assert.deepEqual([test.depth.ready, test.depth.readyBytes, test.ledger.expired], [1, 20, 1]);
    test.pass(40);
    test.apply();
    assert.deepEqual([test.depth.ready, test.depth.readyBytes, test.ledger.expired], [0, 0, 2]);
  });

  it("is the shorter one of the queue's and the message's own", () => {
    const test = new LimitsFixture({ 'x-message-ttl': 100 });
    test.messagesExpire();
    test.publish(test.level, 1, 30);
    test.publish(test.level, 1, 500);
    test.pass(30);
    test.apply();
    assert.equal(test.ledger.expired, 1);
    test.pass(69);
    test.apply();
    assert.equal(test.ledger.expired, 1);
    test.pass(1);
    test.apply();
    assert.equal(test.ledger.expired, 2);
  });

  it('does not end behind a message that may stay longer', () => {
    const test = new LimitsFixture({});
    test.messagesExpire();
    test.publish(test.level, 1);
    test.publish(test.level, 1, 5);
    test.pass(10);
    test.apply();
    assert.deepEqual([test.depth.ready, test.ledger.expired], [2, 0]);
  });

  it('has the queue pumped when the next message is due', () => {
    const test = new LimitsFixture({ 'x-message-ttl': 100 });
    test.publish(test.level, 1);
    test.apply();
    test.pass(99);
    assert.equal(test.pumps, 0);
    test.pass(1);
    assert.equal(test.pumps, 1);
  });

  it('does not end within a transaction that is not durable', () => {
    const test = new LimitsFixture({ 'x-message-ttl': 10 });
    test.level.hold(test.level.log.end);
    test.publish(test.level, 1);
    test.pass(20);
    test.apply();
    assert.equal(test.ledger.expired, 0);
    test.level.release();
    test.apply();
    assert.equal(test.ledger.expired, 1);
  });

  it('lets others have the processor after 256 messages', () => {
    const test = new LimitsFixture({ 'x-message-ttl': 0 });
    for (let i = 0; i < 300; i++) test.publish(test.level, 1);
    test.apply();
    assert.deepEqual([test.ledger.expired, test.pumps], [256, 1]);
    test.apply();
    assert.equal(test.ledger.expired, 300);
  });

  it('is not known of a head in a segment before it is read', () => {
    const test = new LimitsFixture({ 'x-message-ttl': 0 });
    test.publish(test.level, 1);
    test.publish(test.level, 1);
    test.page(test.level, 1);
    assert.equal(test.limits.ttl.expireHeads(test.levels), false);
    assert.equal(test.ledger.expired, 0);
  });

  it('costs an empty queue nothing once the messages with an expiration are gone', () => {
    const test = new LimitsFixture({});
    test.messagesExpire();
    test.publish(test.level, 1, 0);
    assert.equal(test.limits.areNeeded, true);
    test.apply();
    assert.deepEqual([test.ledger.expired, test.limits.areNeeded], [1, false]);
  });
});
