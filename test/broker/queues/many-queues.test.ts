import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { TestBroker } from '../test-broker.ts';

test('after a start, what is read of many queues on the disk stays within the memory for it', async () => {
  const memory = 1 << 20;
  await using broker = await TestBroker.start({
    memoryLimitBytes: memory,
    chunkBytes: 1 << 17,
    journalFileBytes: 1 << 20,
    journalLimitBytes: 2 << 20,
  });
  const names = Array.from({ length: 160 }, (_, i) => `q${i}`);
  for (const name of names) broker.queue(name);
  const body = Buffer.alloc(8 * 1024);
  for (let round = 0; round < 12; round++) {
    for (const name of names) broker.publish(name, body);
    await broker.flush();
  }
  const { store } = broker.broker.shard;
  while (store.chunks.bytes - store.chunks.windowBytes > 2 * memory) await setTimeout(10);
  await broker.restart();
  const { chunks } = broker.broker.shard.store;
  let most = 0;
  for (let i = 0; i < 30; i++) {
    await setTimeout(10);
    most = Math.max(most, chunks.windowBytes);
  }
  assert.ok(most > 0, 'the first messages were looked at');
  assert.ok(most < 2 * memory, `${most} bytes were read`);
});
