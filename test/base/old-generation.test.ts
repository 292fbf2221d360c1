import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';

const MODULE = new URL('../../src/base/old-generation.ts', import.meta.url).href;
const MIB = 1024 * 1024;

/** What a process with these flags takes for the size of its old generation, in MiB, and V8's limit. */
function found(flags: readonly string[], options = ''): { readonly old: number; readonly limit: number } {
  const code = `import { getHeapStatistics } from 'node:v8';
    const { oldGenerationBytesMax } = await import('${MODULE}');
    console.log(JSON.stringify([oldGenerationBytesMax(), getHeapStatistics().heap_size_limit]));`;
  const quiet = '--disable-warning=ExperimentalWarning';
  const out = execFileSync(process.execPath, [quiet, ...flags, '--input-type=module', '-e', code], {
    env: { ...process.env, NODE_OPTIONS: options },
    encoding: 'utf8',
  });
  const [old, limit] = JSON.parse(out) as [number, number];
  return { old: old / MIB, limit: limit / MIB };
}

describe('the size of the old generation', () => {
  it('is what Node was told, on the command line or in NODE_OPTIONS', () => {
    assert.equal(found(['--max-old-space-size=200']).old, 200);
    assert.equal(found(['--max_old_space_size=200', '--max-semi-space-size=8']).old, 200);
    assert.equal(found([], '--max-old-space-size=300').old, 300);
    assert.equal(found(['--max-old-space-size=200'], '--max-old-space-size=300').old, 200);
  });

  it('is the limit of V8 without the young generation, which the launcher of the broker makes small', () => {
    const { old, limit } = found(['--max-semi-space-size=8']);
    assert.equal(old, limit - 24);
    const chosen = found([]);
    assert.ok(chosen.old > chosen.limit * 0.9 && chosen.old < chosen.limit);
  });

  it('is that of the thread, in a thread with a limit of its own', async () => {
    const code = `import('${MODULE}').then(({ oldGenerationBytesMax }) =>
      process.getBuiltinModule('node:worker_threads').parentPort.postMessage(oldGenerationBytesMax()))`;
    const worker = new Worker(code, { eval: true, resourceLimits: { maxOldGenerationSizeMb: 64 } });
    const [bytes] = await once(worker, 'message');
    await worker.terminate();
    assert.equal(bytes, 64 * MIB);
  });
});
