import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import type { FileSystem } from '../../../src/log/files/filesystem.ts';
import { dropBytes, nodeFileSystem } from '../../../src/log/files/node-filesystem.ts';
import { SimulatedFileSystem } from '../../support/simulated-filesystem/simulated-filesystem.ts';

const directory = mkdtempSync(join(tmpdir(), 'sluice-fs-'));
after(() => rmSync(directory, { recursive: true }));

const implementations: readonly (readonly [string, FileSystem])[] = [
  ['the real file system', nodeFileSystem],
  ['the simulated file system', new SimulatedFileSystem()],
  ['the simulated file system on microtasks', new SimulatedFileSystem({ schedule: queueMicrotask })],
];
let nextRoot = 0;

async function newRoot(fs: FileSystem): Promise<string> {
  const root = `${directory}/${nextRoot++}`;
  await fs.makeDirectory(root);
  return root;
}

async function writeFile(fs: FileSystem, path: string, text: string): Promise<void> {
  const file = await fs.open(path, 'create');
  await file.write([Buffer.from(text)], 0);
  await file.close();
}

async function readText(fs: FileSystem, path: string): Promise<string> {
  const file = await fs.open(path, 'read');
  const buffer = Buffer.alloc(await file.size());
  assert.equal(await file.read(buffer, 0), buffer.length);
  await file.close();
  return buffer.toString();
}

for (const [name, fs] of implementations) {
  describe(`In ${name}`, () => {
    test('what is written in several buffers at a position is read back from there', async () => {
      const root = await newRoot(fs);
      const file = await fs.open(`${root}/a`, 'create');
      await file.write([Buffer.from('abc'), Buffer.alloc(0), Buffer.from('defg')], 0);
      await file.write([Buffer.from('XY')], 2);
      const into = Buffer.alloc(5);
      assert.equal(await file.read(into, 1), 5);
      assert.equal(into.toString(), 'bXYef');
      assert.equal(await file.size(), 7);
      assert.equal(file.path, `${root}/a`);
      await file.sync();
      await file.close();
    });

    test('a read gives fewer bytes only at the end of the file', async () => {
      const root = await newRoot(fs);
      await writeFile(fs, `${root}/a`, 'abcdef');
      const file = await fs.open(`${root}/a`, 'read');
      const into = Buffer.alloc(10);
      assert.equal(await file.read(into, 4), 2);
      assert.equal(into.toString('latin1', 0, 2), 'ef');
      assert.equal(await file.read(into, 6), 0);
      assert.equal(await file.read(into, 600), 0);
      await file.close();
    });

    test('more buffers than one system call takes are all written', async () => {
      const root = await newRoot(fs);
      const file = await fs.open(`${root}/a`, 'create');
      const buffers = Array.from({ length: 3000 }, (_, i) => Buffer.from(`${i},`));
      const whole = Buffer.concat(buffers);
      await file.write(buffers, 5);
      const into = Buffer.alloc(whole.length);
      await file.read(into, 5);
      assert.deepEqual(into, whole);
      await file.close();
    });

    test('no bytes are written without error, and without growing the file', async () => {
      const root = await newRoot(fs);
      const file = await fs.open(`${root}/a`, 'create');
      await file.write([], 0);
      await file.write([Buffer.alloc(0), Buffer.alloc(0)], 100);
      assert.equal(await file.size(), 0);
      await file.close();
    });

    test('a hole, and what a truncation had cut off, read as zeros', async () => {
      const root = await newRoot(fs);
      const file = await fs.open(`${root}/a`, 'create');
      await file.write([Buffer.from('abcdef')], 0);
      await file.truncate(2);
      assert.equal(await file.size(), 2);
      await file.write([Buffer.from('z')], 4);
      await file.truncate(7);
      await file.close();
      assert.equal(await readText(fs, `${root}/a`), 'ab\0\0z\0\0');
    });

    test('a write, read or truncation at no position is refused', async () => {
      const root = await newRoot(fs);
      const file = await fs.open(`${root}/a`, 'create');
      for (const position of [-1, Number.NaN, 0.5]) {
        await assert.rejects(file.write([Buffer.from('a')], position), { code: 'EINVAL' });
        await assert.rejects(file.read(Buffer.alloc(1), position), { code: 'EINVAL' });
        await assert.rejects(file.truncate(position), { code: 'EINVAL' });
      }
      await file.close();
    });

    test('a file is created once, and opened only if it is there', async () => {
      const root = await newRoot(fs);
      await assert.rejects(fs.open(`${root}/a`, 'read'), { code: 'ENOENT' });
      await assert.rejects(fs.open(`${root}/a`, 'write'), { code: 'ENOENT' });
      await assert.rejects(fs.open(`${root}/none/a`, 'create'), { code: 'ENOENT' });
      await writeFile(fs, `${root}/a`, '');
      await assert.rejects(fs.open(`${root}/a`, 'create'), { code: 'EEXIST' });
      await assert.rejects(fs.open(`${root}/a/b`, 'create'), { code: 'ENOTDIR' });
      const file = await fs.open(`${root}/a`, 'write');
      await file.write([Buffer.from('there')], 0);
      await file.close();
      assert.equal(await readText(fs, `${root}/a`), 'there');
    });

    test('a file that is open for reading can not be written', async () => {
      const root = await newRoot(fs);
      await writeFile(fs, `${root}/a`, 'a');
      const file = await fs.open(`${root}/a`, 'read');
      await assert.rejects(file.write([Buffer.from('b')], 0), { code: 'EBADF' });
      await assert.rejects(file.truncate(0), { code: 'EINVAL' });
      await file.close();
      assert.equal(await readText(fs, `${root}/a`), 'a');
    });

    test('a closed file refuses everything but another close', async () => {
      const root = await newRoot(fs);
      const file = await fs.open(`${root}/a`, 'create');
      await file.close();
      await file.close();
      await assert.rejects(file.write([Buffer.from('b')], 0), { code: 'EBADF' });
      await assert.rejects(file.read(Buffer.alloc(1), 0), { code: 'EBADF' });
      await assert.rejects(file.sync(), { code: 'EBADF' });
      await assert.rejects(file.truncate(0), { code: 'EBADF' });
      await assert.rejects(file.size(), { code: 'EBADF' });
    });

    test('a close waits for what was asked for before it', async () => {
      const root = await newRoot(fs);
      const file = await fs.open(`${root}/a`, 'create');
      const large = Buffer.alloc(8 << 20, 'x');
      const settled: string[] = [];
      await Promise.all([
        file.write([large, Buffer.from('end')], 0).then(() => settled.push('write')),
        file.close().then(() => settled.push('close')),
      ]);
      assert.deepEqual(settled, ['write', 'close']);
      assert.equal((await readText(fs, `${root}/a`)).slice(-4), 'xend');
      await fs.remove(`${root}/a`);
    });

    test('a directory lists its names in order, and one that is not there has none', async () => {
      const root = await newRoot(fs);
      for (const each of ['b', 'a', 'B', '10', '9']) await writeFile(fs, `${root}/${each}`, '');
      await fs.makeDirectory(`${root}/c/d`);
      assert.deepEqual(await fs.list(root), ['10', '9', 'B', 'a', 'b', 'c']);
      assert.deepEqual(await fs.list(`${root}/c`), ['d']);
      assert.deepEqual(await fs.list(`${root}/none`), []);
      await assert.rejects(fs.list(`${root}/a`), { code: 'ENOTDIR' });
    });

    test('making a directory makes its parents, is content with what is there, but not with a file', async () => {
      const root = await newRoot(fs);
      await fs.makeDirectory(`${root}/a/b/c`);
      await fs.makeDirectory(`${root}/a/b`);
      assert.deepEqual(await fs.list(`${root}/a/b`), ['c']);
      await writeFile(fs, `${root}/f`, '');
      await assert.rejects(fs.makeDirectory(`${root}/f`), { code: 'EEXIST' });
      await assert.rejects(fs.makeDirectory(`${root}/f/g`), { code: 'ENOTDIR' });
    });

    test('a rename replaces what was there, and an open file goes on under its new name', async () => {
      const root = await newRoot(fs);
      await writeFile(fs, `${root}/old`, 'old');
      const file = await fs.open(`${root}/new`, 'create');
      await fs.rename(`${root}/new`, `${root}/old`);
      await file.write([Buffer.from('new')], 0);
      await file.close();
      assert.deepEqual(await fs.list(root), ['old']);
      assert.equal(await readText(fs, `${root}/old`), 'new');
      await fs.syncDirectory(root);
    });

    test('a rename moves a directory with all that is in it', async () => {
      const root = await newRoot(fs);
      await fs.makeDirectory(`${root}/a/b`);
      await writeFile(fs, `${root}/a/b/f`, 'f');
      await fs.makeDirectory(`${root}/c`);
      await fs.rename(`${root}/a`, `${root}/c/a`);
      assert.deepEqual(await fs.list(root), ['c']);
      assert.equal(await readText(fs, `${root}/c/a/b/f`), 'f');
    });

    test('a rename that can not be is refused', async () => {
      const root = await newRoot(fs);
      await fs.makeDirectory(`${root}/full/inner`);
      await fs.makeDirectory(`${root}/empty`);
      await writeFile(fs, `${root}/f`, 'f');
      await assert.rejects(fs.rename(`${root}/none`, `${root}/f`), { code: 'ENOENT' });
      await assert.rejects(fs.rename(`${root}/f`, `${root}/none/f`), { code: 'ENOENT' });
      await assert.rejects(fs.rename(`${root}/f`, `${root}/empty`), { code: 'EISDIR' });
      await assert.rejects(fs.rename(`${root}/empty`, `${root}/f`), { code: 'ENOTDIR' });
      await assert.rejects(fs.rename(`${root}/empty`, `${root}/full`), { code: 'ENOTEMPTY' });
      await assert.rejects(fs.rename(`${root}/full`, `${root}/full/inner/x`), { code: 'EINVAL' });
      await fs.rename(`${root}/f`, `${root}/f`);
      assert.deepEqual(await fs.list(root), ['empty', 'f', 'full']);
    });

    test('a removal takes a file, a directory with all that is in it, or nothing', async () => {
      const root = await newRoot(fs);
      await fs.makeDirectory(`${root}/a/b`);
      await writeFile(fs, `${root}/a/b/f`, 'f');
      await writeFile(fs, `${root}/f`, 'f');
      const open = await fs.open(`${root}/f`, 'read');
      for (const each of ['a', 'f', 'none', 'none/f', 'f/x']) await fs.remove(`${root}/${each}`);
      assert.deepEqual(await fs.list(root), []);
      assert.equal(await open.size(), 1);
      await open.close();
    });

    test('a directory that is not there can not be synced', async () => {
      const root = await newRoot(fs);
      await fs.syncDirectory(root);
      await assert.rejects(fs.syncDirectory(`${root}/none`), { code: 'ENOENT' });
    });

    test('the free space of a volume is a number of bytes', async () => {
      const root = await newRoot(fs);
      const free = await fs.freeBytes(root);
      assert.ok(Number.isSafeInteger(free) && free > 0);
      await assert.rejects(fs.freeBytes(`${root}/none`), { code: 'ENOENT' });
    });
  });
}

test('what a partial write leaves begins in the middle of a buffer, or after empty ones', () => {
  const buffers = [Buffer.from('ab'), Buffer.alloc(0), Buffer.from('cd')];
  const left = (count: number) => Buffer.concat([...dropBytes(buffers, count)]).toString();
  assert.deepEqual([0, 1, 2, 3, 4].map(left), ['abcd', 'bcd', 'cd', 'd', '']);
  assert.equal(dropBytes(buffers, 2).length, 1);
  assert.equal(dropBytes(buffers, 0), buffers);
  assert.equal(buffers[0].toString(), 'ab');
});

test('a pipe in the place of a file is an error, and no waiting for its other end', async () => {
  const pipe = join(directory, 'pipe');
  execFileSync('mkfifo', [pipe]);
  const file = await nodeFileSystem.open(pipe, 'read');
  await assert.rejects(file.read(Buffer.alloc(10), 0), { code: 'ESPIPE' });
  await file.close();
});
