import assert from 'node:assert/strict';
import { describe, it, type TestContext } from 'node:test';
import { buildShim, type DiskFault, type FaultReport, MESSAGES, runOnFailingDisk } from './failing-disk.ts';

/** Without a C compiler there is nothing to load. */
async function onDisk(t: TestContext, fault: DiskFault, messages = MESSAGES): Promise<FaultReport | null> {
  const shim = await buildShim();
  if (shim === null) {
    t.diagnostic('there is no C compiler: not run');
    return null;
  }
  try {
    return await runOnFailingDisk(shim.path, fault, messages);
  } finally {
    await shim.remove();
  }
}

function assertEnded({ status, output, confirmed, found }: FaultReport, path: RegExp, code: string): void {
  assert.equal(status, 1, output);
  assert.match(output, path);
  assert.match(output, new RegExp(`failed with ${code}\\..*doctor --data-dir '`));
  assert.ok(found >= confirmed, `${confirmed} were confirmed, ${found} are there`);
}

describe('the real process on a disk that fails', () => {
  it('ends when a write of the journal fails: it names file, byte and error, and nothing confirmed is lost', async (t) => {
    const report = await onDisk(t, { call: 'pwrite', path: '/journal/', at: 20, code: 'EIO', delayMs: 0 });
    if (report !== null) assertEnded(report, /'[^']*journal\/\d+\.journal' at byte \d+/, 'EIO');
  });

  it('ends when no journal file may be opened any more, and says what to look at', async (t) => {
    const report = await onDisk(t, { call: 'open', path: '/journal/', at: 6, code: 'EACCES', delayMs: 0 });
    if (report === null) return;
    assertEnded(report, /journal\/\d+\.journal/, 'EACCES');
    assert.match(report.output, /look at owner and rights/);
  });

  it('ends when a segment cannot be synced', async (t) => {
    const report = await onDisk(t, { call: 'fdatasync', path: '/logs/', at: 1, code: 'EIO', delayMs: 0 });
    if (report !== null) assertEnded(report, /logs\/\d+\/\d+\.log/, 'EIO');
  });

  it('ends when the snapshot may not take its place', async (t) => {
    const report = await onDisk(t, { call: 'rename', path: '/snapshot', at: 1, code: 'EACCES', delayMs: 0 });
    if (report !== null) assertEnded(report, /snapshot\.new/, 'EACCES');
  });

  it('goes on where each call takes 100 ms longer, and stops in order', async (t) => {
    const slow: DiskFault = { call: 'all', path: '/', at: 1, code: null, delayMs: 100 };
    const report = await onDisk(t, slow, 100);
    if (report === null) return;
    assert.deepEqual({ ...report, output: '' }, { status: 0, output: '', confirmed: 100, found: 100 });
  });
});
