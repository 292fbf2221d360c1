import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';

const LIVE_HEAP = new URL('../../../src/broker/shard/live-heap.ts', import.meta.url).href;
const GARBAGE = new URL('../../../src/broker/shard/garbage.ts', import.meta.url).href;

/** Runs in a thread with a heap of 256 MiB, and posts what it finds. */
async function inSmallHeap(code: string): Promise<{ readonly bytes: number; readonly limitBytes: number }> {
  const worker = new Worker(
    `import('${LIVE_HEAP}').then(async ({ LiveHeap }) => {
      const { parentPort } = process.getBuiltinModule('node:worker_threads');
      const { getHeapStatistics } = process.getBuiltinModule('node:v8');
      const { Garbage } = await import('${GARBAGE}');
      const heap = new LiveHeap(new Garbage({ monotonicMs: () => performance.now() }));
      const later = () => new Promise(setImmediate);
      ${code}
      parentPort.postMessage({ bytes: heap.bytes(), limitBytes: heap.limitBytes });
    })`,
    { eval: true, resourceLimits: { maxOldGenerationSizeMb: 256 } },
  );
  const [message] = await once(worker, 'message');
  await worker.terminate();
  return message;
}

describe('the live part of the heap', () => {
  it('is nearly all of it when it is nearly full of what is used', async () => {
    const { bytes, limitBytes } = await inSmallHeap(`
      const kept = [];
      while (heap.bytes() < heap.limitBytes * 0.75) {
        for (let i = 0; i < 500; i++) kept.push(Array(100).fill(i));
        await later();
      }
      globalThis.kept = kept;
    `);
    assert.ok(bytes >= limitBytes * 0.7, `${bytes} of ${limitBytes}`);
  });

  it('is little however much garbage there is', async () => {
    const { bytes, limitBytes } = await inSmallHeap(`
      let kept = [];
      while (getHeapStatistics().used_heap_size < heap.limitBytes * 0.72) {
        for (let i = 0; i < 500; i++) kept.push(Array(100).fill(i));
      }
      kept = null;
      while (heap.bytes() > heap.limitBytes * 0.5) await later();
    `);
    assert.ok(bytes < limitBytes * 0.5, `${bytes} of ${limitBytes}`);
  });
});
