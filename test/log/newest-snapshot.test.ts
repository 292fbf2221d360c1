import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { nodeFileSystem } from '../../src/log/files/node-filesystem.ts';
import { noteNewestSnapshot, whyOlder } from '../../src/log/newest-snapshot.ts';
import type { Snapshot } from '../../src/log/snapshot.ts';

const directory = mkdtempSync(join(tmpdir(), 'sluice-newest-'));
after(() => rmSync(directory, { recursive: true }));

test('what stands in the place of the note about the newest snapshot ends no broker, and tells nothing', async () => {
  mkdirSync(join(directory, 'logs'));
  const note = join(directory, 'logs', 'newest-snapshot');
  const old = { nextBlock: 5 } as Snapshot;
  for (const put of [
    () => mkdirSync(note),
    () => symlinkSync(note, note),
    () => execFileSync('mkfifo', [note]),
  ]) {
    put();
    await noteNewestSnapshot(nodeFileSystem, directory, 10);
    assert.equal(await whyOlder(nodeFileSystem, directory, old), null);
    rmSync(note, { recursive: true });
  }
  await noteNewestSnapshot(nodeFileSystem, directory, 10);
  assert.match((await whyOlder(nodeFileSystem, directory, old)) ?? '', /older than the segments/);
});
