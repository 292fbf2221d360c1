import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { declare, settled, TestBroker } from '../test-broker.ts';

/** Little memory, so that most of what waits is in segments. */
const SMALL = {
  memoryLimitBytes: 1 << 20,
  chunkBytes: 1 << 17,
  journalFileBytes: 1 << 20,
  journalLimitBytes: 2 << 20,
};

test('a queue limited in bytes keeps over a restart what it may hold, also where that is on the disk', async () => {
  await using broker = await TestBroker.start(SMALL);
  const count = 40_000;
  const bytes = 10 * count;
  let queue = declare(broker, 'q', { 'x-max-length-bytes': bytes + 5 });
  for (let i = 0; i < count; i++) {
    broker.publish('q', `m${String(i).padStart(9, '0')}`);
    if (i % 5000 === 0) await broker.flush();
  }
  await broker.flush();
  while (queue.log.tailStart === 0) await setTimeout(10);
  await broker.restart();
  queue = declare(broker, 'q', { 'x-max-length-bytes': bytes + 5 });
  assert.ok(queue.log.tailStart > 0, 'some of it is on the disk');
  await settled();
  await setTimeout(300);
  assert.equal(queue.readyCount, count);
  assert.equal(queue.readyBytes, bytes);
  // One more is one too many.
  broker.publish('q', 'm123456789');
  while (queue.readyBytes > bytes) await setTimeout(10);
  assert.equal(queue.readyCount, count);
});
