import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FileSystem } from '../../../src/log/files/filesystem.ts';
import { type DiskLevel, FreeDiskSpace } from '../../../src/log/files/free-disk-space.ts';

class Disk {
  free = 10_000;
  written = 0;
  pending = 0;
  readonly levels: DiskLevel[] = [];
  readonly space: FreeDiskSpace;

  constructor() {
    this.space = new FreeDiskSpace({
      fileSystem: { freeBytes: () => Promise.resolve(this.free) } as unknown as FileSystem,
      directory: '/data',
      freeBytesMin: 1000,
      writtenBytes: () => this.written,
      pendingBytes: () => this.pending,
      onChange: (level) => this.levels.push(level),
    });
  }
}

test('what was written since the last check, or waits for it, is taken for gone: a fast writer is stopped before the next one', async () => {
  const disk = new Disk();
  await disk.space.check();
  disk.written = 5000;
  disk.pending = 4000;
  disk.space.estimate();
  assert.deepEqual(disk.levels, []);
  disk.pending = 4001;
  disk.space.estimate();
  assert.deepEqual(disk.levels, ['low']);
  disk.written = 5500;
  disk.space.estimate();
  assert.deepEqual(disk.levels, ['low', 'reserve']);
});

test('only a check finds that there is more space', async () => {
  const disk = new Disk();
  await disk.space.check();
  disk.pending = 9001;
  disk.space.estimate();
  disk.pending = 0;
  disk.space.estimate();
  assert.deepEqual(disk.levels, ['low']);
  await disk.space.check();
  assert.deepEqual(disk.levels, ['low', 'enough']);
});

test('the levels do not come and go at their limits', async () => {
  const disk = new Disk();
  for (const free of [999, 1000, 1099, 1100, 999, 499, 500, 549, 550, 1100]) {
    disk.free = free;
    await disk.space.check();
  }
  assert.deepEqual(disk.levels, ['low', 'enough', 'low', 'reserve', 'low', 'enough']);
});

test('a journal that found the disk full leaves nothing but the reserve, until it has written', async () => {
  const disk = new Disk();
  await disk.space.check();
  disk.space.journalIsFull(true);
  disk.space.journalIsFull(false);
  assert.deepEqual(disk.levels, ['reserve', 'enough']);
});
