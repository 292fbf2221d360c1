import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { acquireDirectoryLock, DirectoryLockedError } from '../../../src/log/files/directory-lock.ts';

const root = mkdtempSync(join(tmpdir(), 'sluice-lock-'));
const children = new Set<ChildProcess>();
after(() => {
  for (const child of children) child.kill('SIGKILL');
  rmSync(root, { recursive: true });
});

const PROGRAM = `
  import { acquireDirectoryLock } from ${JSON.stringify(new URL('../../../src/log/files/directory-lock.ts', import.meta.url).href)};
  try {
    await acquireDirectoryLock(process.argv[1]);
    console.log('locked ' + process.pid);
    setInterval(() => {}, 1000);
  } catch (error) {
    console.log(error.name + ' ' + error.holder?.pid);
  }
`;

/** A process that locks the directory and keeps it, and the line that it prints. */
async function start(directory: string): Promise<{ child: ChildProcess; line: string }> {
  const child = spawn(process.execPath, ['--input-type=module', '--eval', PROGRAM, directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.add(child);
  child.once('exit', () => children.delete(child));
  const [line] = await once(child.stdout, 'data');
  return { child, line: String(line).trim() };
}

test('a second process on a directory fails, and names the process and the directory', async () => {
  const directory = join(root, 'second');
  const { child, line } = await start(directory);
  assert.equal(line, `locked ${child.pid}`);
  await assert.rejects(acquireDirectoryLock(directory), (error) => {
    assert.ok(error instanceof DirectoryLockedError);
    assert.equal(error.holder?.pid, child.pid);
    assert.equal(error.directory, directory);
    assert.ok(error.message.includes(`process ${child.pid} on `) && error.message.includes(directory));
    return true;
  });
  // By whatever name it is reached.
  symlinkSync(directory, join(root, 'link'));
  await assert.rejects(acquireDirectoryLock(join(root, 'link')), DirectoryLockedError);
  child.kill('SIGKILL');
});

test('the lock ends with a process that is killed, at once', async () => {
  const directory = join(root, 'killed');
  for (let i = 0; i < 3; i++) {
    const { child, line } = await start(directory);
    assert.equal(line, `locked ${child.pid}`);
    child.kill('SIGKILL');
  }
  const lock = await acquireDirectoryLock(directory);
  await lock.release();
});

test('of many processes that start at once after a kill, one gets the directory', async () => {
  const directory = join(root, 'race');
  const { child } = await start(directory);
  child.kill('SIGKILL');
  const contenders = await Promise.all(Array.from({ length: 5 }, () => start(directory)));
  const winners = contenders.filter(({ line }) => line.startsWith('locked'));
  assert.equal(winners.length, 1, contenders.map(({ line }) => line).join('; '));
  for (const { line, child: contender } of contenders) {
    if (contender !== winners[0].child) assert.equal(line, `DirectoryLockedError ${winners[0].child.pid}`);
    contender.kill('SIGKILL');
  }
});

test('a released directory can be locked again, by this process too, which can not have it twice', async () => {
  const directory = join(root, 'again');
  const first = await acquireDirectoryLock(directory);
  await assert.rejects(acquireDirectoryLock(directory), DirectoryLockedError);
  await first.release();
  await first.release();
  assert.deepEqual(readdirSync(directory), ['sluice.lock']);
  const second = await acquireDirectoryLock(directory);
  await first.release();
  assert.ok(existsSync(join(directory, 'sluice.lock.holder')), 'a late release does not touch the next lock');
  await second.release();
});

test('what a process left behind in the holder file, whole or garbled, locks nobody out', async () => {
  const directory = join(root, 'left');
  await (await acquireDirectoryLock(directory)).release();
  for (const text of ['', '{"pid":', `{"format":1,"pid":${process.pid},"host":"h","since":"s"}`]) {
    writeFileSync(join(directory, 'sluice.lock.holder'), text);
    await (await acquireDirectoryLock(directory)).release();
  }
});

test('a directory that can not be locked is named with the reason', async () => {
  const path = join(root, 'not-a-lock');
  await (await acquireDirectoryLock(path)).release();
  rmSync(join(path, 'sluice.lock'));
  symlinkSync(root, join(path, 'sluice.lock'));
  await assert.rejects(acquireDirectoryLock(path), (error) => {
    assert.ok(error instanceof Error && error.message.startsWith(`Cannot lock the data directory ${path}: `));
    return true;
  });
});

test('what stands in the place of the lock file is named, with the command that removes it; then the lock is there', async () => {
  const path = join(root, "it's foreign");
  const lockFile = join(path, 'sluice.lock');
  const foreign = [
    () => mkdirSync(lockFile),
    () => writeFileSync(lockFile, 'x'.repeat(5000)),
    () => symlinkSync(lockFile, lockFile),
    () => execFileSync('mkfifo', [lockFile]),
  ];
  for (const put of foreign) {
    await (await acquireDirectoryLock(path)).release();
    rmSync(lockFile);
    put();
    let command = '';
    await assert.rejects(acquireDirectoryLock(path), ({ message }: Error) => {
      command = /If no broker runs on the directory: (rm .*)$/.exec(message)?.[1] ?? '';
      return command !== '';
    });
    execFileSync('/bin/sh', ['-c', command]);
  }
  await (await acquireDirectoryLock(path)).release();
});
