import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { LimitsFixture } from './queue-fixture.ts';

describe('the length limit', () => {
  it('drops the oldest messages beyond a number of messages', () => {
    const test = new LimitsFixture({ 'x-max-length': 2 });
    for (const bytes of [1, 2, 3, 4]) test.publish(test.level, bytes);
    test.apply();
    assert.deepEqual([test.depth.ready, test.depth.readyBytes, test.ledger.dropped], [2, 7, 2]);
    assert.equal(test.level.peek(), 2);
  });

  it('drops the oldest messages beyond a number of bytes, and keeps what is just within', () => {
    const test = new LimitsFixture({ 'x-max-length-bytes': 10 });
    for (const bytes of [5, 5]) test.publish(test.level, bytes);
    test.apply();
    assert.equal(test.ledger.dropped, 0);
    test.publish(test.level, 5);
    test.apply();
    assert.deepEqual([test.depth.ready, test.depth.readyBytes, test.ledger.dropped], [2, 10, 1]);
  });

  it('drops from the head, which is where the highest priority is', () => {
    const test = new LimitsFixture({ 'x-max-length': 1 }, { priorities: 2 });
    const [high, low] = test.levels;
    test.publish(low!, 1);
    test.publish(high!, 1);
    test.apply();
    assert.deepEqual([high!.readyCount, low!.readyCount], [0, 1]);
  });

  it('counts as expired what had expired when it was dropped', () => {
    const test = new LimitsFixture({ 'x-max-length': 1 });
    test.messagesExpire();
    test.publish(test.level, 1, 5);
    test.publish(test.level, 1);
    test.publish(test.level, 1);
    test.pass(5);
    test.limits.discards.begin();
    test.limits.length.dropExcess(test.levels);
    assert.deepEqual([test.ledger.expired, test.ledger.dropped], [1, 1]);
  });

  it('refuses instead of dropping, where the queue says so', () => {
    const args = { 'x-max-length': 2, 'x-max-length-bytes': 10, 'x-overflow': 'reject-publish' };
    const test = new LimitsFixture(args);
    const { length } = test.limits;
    test.publish(test.level, 6);
    assert.equal(length.hasRoomFor(4, 0, 0), true);
    assert.equal(length.hasRoomFor(5, 0, 0), false, 'too many bytes');
    assert.equal(length.hasRoomFor(2, 0, 3), false, 'too many bytes together with others');
    assert.equal(length.hasRoomFor(1, 1, 0), false, 'too many messages together with others');
    test.publish(test.level, 1);
    assert.equal(length.hasRoomFor(0, 0, 0), false, 'too many messages');
    test.publish(test.level, 100);
    test.apply();
    assert.deepEqual([test.depth.ready, test.ledger.dropped], [3, 0]);
  });

  it('drops without reading them messages in segments, if only their number counts', () => {
    const test = new LimitsFixture({ 'x-max-length': 1 });
    for (let i = 0; i < 3; i++) test.publish(test.level, 10);
    test.page(test.level, 2);
    test.apply();
    assert.deepEqual([test.depth.ready, test.depth.readyBytes, test.ledger.dropped], [1, 10, 2]);
    const inBytes = new LimitsFixture({ 'x-max-length-bytes': 10 });
    for (let i = 0; i < 3; i++) inBytes.publish(inBytes.level, 10);
    inBytes.page(inBytes.level, 2);
    inBytes.apply();
    assert.equal(inBytes.ledger.dropped, 0, 'their bytes are not known before they are read');
  });

  it('holds after any publications, and the bytes are those of what is left', () => {
    const publication = fc.record({ bytes: fc.nat(20), level: fc.nat(2) });
    const limits = fc.record({ messages: fc.nat(10), bytes: fc.nat(100) });
    fc.assert(
      fc.property(fc.array(publication, { maxLength: 60 }), limits, (publications, { messages, bytes }) => {
        const args = { 'x-max-length': messages, 'x-max-length-bytes': bytes };
        const test = new LimitsFixture(args, { priorities: 3 });
        for (const each of publications) {
          test.publish(test.levels[each.level], each.bytes);
          test.apply();
          assert.ok(test.depth.ready <= messages && test.depth.readyBytes <= bytes);
          assert.equal(
            test.depth.readyBytes,
            test.readyBytes(test.levels, () => true),
          );
        }
        assert.equal(test.depth.ready + test.ledger.dropped, publications.length);
      }),
    );
  });
});
