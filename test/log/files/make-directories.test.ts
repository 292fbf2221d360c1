import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { makeDirectories } from '../../../src/log/files/make-directories.ts';

it('directories below one that is not there are made by several at once', async () => {
  const root = await mkdtemp(join(tmpdir(), 'sluice-directories-'));
  for (let round = 0; round < 200; round++) {
    const above = join(root, String(round), 'a');
    await Promise.all(['1', '2', '3', '4'].map((name) => makeDirectories(join(above, name), 0o700)));
    assert.equal((await readdir(above)).length, 4);
  }
  await rm(root, { recursive: true });
});
