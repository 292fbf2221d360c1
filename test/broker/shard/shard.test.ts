import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { AtomicAppend } from '../../../src/broker/publishing/atomic-append.ts';
import { TestBroker } from '../test-broker.ts';

describe('the wait until durable', () => {
  it('answers at once for a durable block, and later for one that is not', async () => {
    await using test = await TestBroker.start();
    const { shard } = test.broker;
    test.queue('q');
    await test.flush();
    assert.equal(shard.undurableBlock, 0);
    assert.equal(shard.durably(shard.metadataBlock, 'at once'), 'at once');
    const block = test.publish('q', 'message');
    assert.equal(shard.undurableBlock, block);
    const answers: string[] = [];
    shard.whenDurable(block, { onDurable: () => answers.push('listener') });
    const later = shard.durably(block, 'later');
    assert.ok(later instanceof Promise);
    assert.deepEqual(answers, []);
    assert.equal(await later, 'later');
    assert.deepEqual(answers, ['listener']);
    assert.ok(shard.isDurable(block));
    await shard.durable();
  });
});

describe('a resource alarm', () => {
  it('blocks until the last one is cleared, and tells of each change once', async () => {
    await using test = await TestBroker.start();
    const { shard } = test.broker;
    const { alarms, backPressure } = shard;
    const heard: string[] = [];
    alarms.onChange(() => heard.push([...alarms.raised].join('+')));
    assert.equal(
      backPressure.mustStay(() => assert.fail('nothing has to wait')),
      false,
    );
    shard.setAlarm('disk', true);
    shard.setAlarm('disk', true);
    shard.setAlarm('memory', true);
    let resumed = 0;
    alarms.whenCleared(() => resumed++);
    assert.ok(backPressure.mustStay(() => resumed++));
    shard.setAlarm('disk', false);
    assert.equal(resumed, 0);
    shard.setAlarm('memory', false);
    assert.equal(resumed, 2);
    shard.setAlarm('memory', true);
    shard.setAlarm('memory', false);
    assert.equal(resumed, 2);
    assert.deepEqual(heard, ['disk', 'disk+memory', 'memory', '', 'memory', '']);
  });
});

describe('an atomic append', () => {
  it('is one block, and what others settled is not in it', async () => {
    await using test = await TestBroker.start();
    const { shard } = test.broker;
    const queue = test.queue('q');
    const block = test.publish('q', 'message');
    queue.levels[0]?.settle(0);
    const atomic = new AtomicAppend(shard);
    assert.ok(atomic.settledBytes > 0);
    atomic.excludeSettled();
    assert.equal(atomic.settledBytes, 0);
    atomic.begin(1024);
    atomic.record(Buffer.from('{"op":"cluster.id","id":"one"}'));
    atomic.record(Buffer.from('{"op":"cluster.id","id":"two"}'));
    assert.ok(shard.store.journal.isAtomic);
    assert.equal(atomic.end(), block);
    assert.ok(!shard.store.journal.isAtomic);
    await shard.durable();
    assert.ok(shard.isDurable(block));
  });
});
