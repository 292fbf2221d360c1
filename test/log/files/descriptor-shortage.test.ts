import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { waitingForDescriptors } from '../../../src/log/files/descriptor-shortage.ts';
import type { FileSystem } from '../../../src/log/files/filesystem.ts';
import { systemError } from '../../../src/log/files/system-error.ts';

/** Fails with each of the codes in turn, then works. */
function failing(...codes: string[]): FileSystem {
  const run = async (operation: string, path: string): Promise<string[]> => {
    const code = codes.shift();
    if (code !== undefined) throw systemError(code, operation, path);
    return ['done'];
  };
  const list = (path: string) => run('scandir', path);
  return { list, makeDirectory: run, rename: run, freeBytes: run } as unknown as FileSystem;
}

const atOnce = {
  after: (_ms: number, run: () => void) => {
    setImmediate(run);
    return { cancel: () => undefined };
  },
};

describe('a file that cannot be opened for want of a descriptor', () => {
  it('is waited for, and whoever operates the broker is told when it begins and when it is over', async () => {
    const told: (string | null)[] = [];
    const fs = waitingForDescriptors(failing('EMFILE', 'ENFILE', 'EMFILE'), atOnce, (path) =>
      told.push(path),
    );
    assert.deepEqual(await fs.list('/data/logs'), ['done']);
    assert.deepEqual(told, ['/data/logs', null]);
  });

  it('is told once of many that wait', async () => {
    const told: (string | null)[] = [];
    const fs = waitingForDescriptors(failing('EMFILE', 'EMFILE', 'EMFILE'), atOnce, (path) =>
      told.push(path),
    );
    await Promise.all([fs.list('/a'), fs.list('/b')]);
    assert.deepEqual(told, ['/a', null]);
  });

  it('fails when there is none for a minute', async () => {
    const told: (string | null)[] = [];
    const codes = new Array<string>(1000).fill('EMFILE');
    const fs = waitingForDescriptors(failing(...codes), atOnce, (path) => told.push(path));
    await assert.rejects(fs.list('/a'), /EMFILE/);
    assert.deepEqual(told, ['/a', null]);
  });

  it('fails as ever for any other reason, also after it has waited', async () => {
    const told: (string | null)[] = [];
    const fs = waitingForDescriptors(failing('EMFILE', 'EACCES', 'EIO'), atOnce, (path) => told.push(path));
    await assert.rejects(fs.list('/a'), /EACCES/);
    await assert.rejects(fs.list('/a'), /EIO/);
    assert.deepEqual(told, ['/a', null]);
  });
});
