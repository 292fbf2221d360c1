import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import type { File, FileSystem } from '../../src/log/files/filesystem.ts';
import { nodeFileSystem } from '../../src/log/files/node-filesystem.ts';
import { TestBroker } from '../broker/test-broker.ts';
import { until } from '../support/until.ts';

/** A disk whose writes to the journal end when they are told to. */
class HeldDisk {
  isHeld = false;
  readonly held: (() => void)[] = [];
  readonly fileSystem: FileSystem = {
    ...nodeFileSystem,
    open: async (path, mode, options) => {
      const file = await nodeFileSystem.open(path, mode, options);
      return path.endsWith('.journal') ? this.#holding(file) : file;
    },
  };

  /** The writes that are under way; others are held as before. */
  release(): void {
    for (const end of this.held.splice(0)) end();
  }

  #holding(file: File): File {
    const write = file.write.bind(file);
    file.write = async (buffers, position) => {
      if (this.isHeld) await new Promise<void>((resolve) => this.held.push(resolve));
      return write(buffers, position);
    };
    return file;
  }
}

/** With a queue of each name, of which something is in files. */
async function withFiles(directory: string, disk: HeldDisk, names: readonly string[]): Promise<TestBroker> {
  const limits = { chunkBytes: 4096, memoryLimitBytes: 16_384, journalLimitBytes: 1 << 20 };
  const test = await TestBroker.on(join(directory, 'data'), { ...limits, fileSystem: disk.fileSystem });
  for (const name of names) {
    test.queue(name);
    for (let i = 0; i < 100; i++) test.publish(name, Buffer.alloc(500));
  }
  await test.flush();
  for (const name of names) await until(async () => (await filesOf(directory, test.queue(name).id)) > 0);
  return test;
}

async function filesOf(directory: string, id: number): Promise<number> {
  return (await readdir(join(directory, 'data', 'logs', String(id))).catch(() => [])).length;
}

it('the files of a queue stay until its own deletion is durable, also if it is deleted while that of another becomes so', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sluice-deleted-'));
  const disk = new HeldDisk();
  const test = await withFiles(directory, disk, ['a', 'b']);
  try {
    const vhost = test.broker.vhosts.get('/')!;
    const [a, b] = [test.queue('a').id, test.queue('b').id];
    const remove = (name: string) => vhost.deleteQueue(name, { ifUnused: false, ifEmpty: false }, null);
    disk.isHeld = true;
    remove('a');
    await until(() => disk.held.length > 0);
    // What is not needed any more is looked for several times in a second.
    await new Promise((resolve) => setTimeout(resolve, 600));
    remove('b');
    disk.release();
    await until(async () => (await filesOf(directory, a)) === 0);
    await until(() => disk.held.length > 0);
    assert.ok((await filesOf(directory, b)) > 0, 'the deletion of b is not on the disk');
    disk.isHeld = false;
    disk.release();
    await until(async () => (await filesOf(directory, b)) === 0);
  } finally {
    disk.isHeld = false;
    disk.release();
    await test.broker.close();
    await rm(directory, { recursive: true, force: true });
  }
});
