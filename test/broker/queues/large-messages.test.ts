import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestBroker } from '../test-broker.ts';

const MIB = 1024 * 1024;

for (const kind of ['transient', 'persistent']) {
  test(`a ${kind} message larger than the memory limit goes to disk, and its publisher goes on`, async () => {
    await using broker = await TestBroker.start({ memoryLimitBytes: 8 * MIB });
    const queue = broker.queue('q');
    const { publisher } = broker;
    broker.publish('q', Buffer.alloc(40 * MIB, 0x78), kind === 'persistent');
    assert.ok(publisher.mustPause);
    await new Promise<void>((resolve) => publisher.onResume(resolve));
    assert.ok(broker.broker.shard.store.chunks.bytes <= 12 * MIB);
    assert.equal(queue.readyCount, 1);
  });
}
