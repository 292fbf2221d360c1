import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { ShardThreadData } from '../../../src/cli/broker-process/shards/messages.ts';
import { ShardWorker } from '../../../src/cli/broker-process/shards/shard-worker.ts';

/** So many that the main thread has not seen them all when the thread is gone. */
const LINES = 5000;

/** Resolves, when the thread has ended, with the lines of the log that were written before that was told. */
function linesOf(program: string): Promise<{ readonly lines: string[]; readonly error: Error | null }> {
  const lines: string[] = [];
  const data = { number: 1 } as unknown as Omit<ShardThreadData, 'log'>;
  const source = `import { workerData } from 'node:worker_threads';
    for (let i = 0; i < ${LINES}; i++) workerData.log.postMessage(String(i));
    ${program}`;
  return new Promise((resolve) => {
    new ShardWorker(
      new URL(`data:text/javascript,${encodeURIComponent(source)}`),
      data,
      { write: (line) => void lines.push(line) },
      { onStep: () => undefined, onEnded: (error) => resolve({ lines: [...lines], error }) },
      100 * 1024 * 1024,
    );
  });
}

it('what the thread of a shard has logged is written, in order, before its end is told', async () => {
  const expected = Array.from({ length: LINES }, (_, i) => String(i));
  const exited = await linesOf('process.exit(1)');
  assert.deepEqual(exited, { lines: expected, error: null });
  const thrown = await linesOf(`throw new Error('unheard of')`);
  assert.deepEqual(thrown.lines, expected);
  assert.equal(thrown.error?.message, 'unheard of');
});

it('the thread of a shard whose heap is used up ends with an error, and not the process', async () => {
  const { error } = await linesOf(
    'const all = []; for (;;) all.push(new Array(10_000).fill(0).map(Math.random));',
  );
  assert.equal((error as NodeJS.ErrnoException).code, 'ERR_WORKER_OUT_OF_MEMORY');
});
