import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import {
  BLOCK_HEADER_BYTES,
  FILE_HEADER_BYTES,
  metadataEntryBytes,
  writeBlockHeader,
  writeMetadata,
} from '../../../src/log/journal/format.ts';
import { encodeFileHeader, journalFileName } from '../../../src/log/journal/journal-files.ts';
import type { JournalEnd } from '../../../src/log/journal/journal-files-source.ts';
import { salvageJournal } from '../../../src/log/journal/journal-salvage.ts';
import { FIRST_FILE } from '../../../src/log/journal/position.ts';
import { tornEndText } from '../../../src/log/journal/scan.ts';
import { SimulatedFileSystem } from '../../support/simulated-filesystem/simulated-filesystem.ts';

import { readJournal } from './read-journal.ts';

const DIRECTORY = '/data/journal';
const PATH = `${DIRECTORY}/${journalFileName(1)}`;
const OPERATION_BYTES = 48;
const BLOCK_BYTES = BLOCK_HEADER_BYTES + metadataEntryBytes(OPERATION_BYTES);

function block(number: number, syncedThrough: number, epoch = 1): Buffer {
  const bytes = new ArrayBuffer(BLOCK_BYTES);
  const memory = { buffer: Buffer.from(bytes), u32: new Uint32Array(bytes), f64: new Float64Array(bytes) };
  writeMetadata(memory, BLOCK_HEADER_BYTES, Buffer.alloc(OPERATION_BYTES, String(number)));
  writeBlockHeader(memory, 0, { length: BLOCK_BYTES, epoch, number, syncedThrough });
  return memory.buffer;
}

/** Where block `number` stands in file 1. */
const placeOf = (number: number): number => FILE_HEADER_BYTES + (number - 1) * BLOCK_BYTES;

describe('the end of a journal of which several writes were under way', () => {
  let fs: SimulatedFileSystem;

  beforeEach(async () => {
    fs = new SimulatedFileSystem({ schedule: queueMicrotask });
    await fs.makeDirectory(DIRECTORY);
    const file = await fs.open(PATH, 'create');
    await file.write([encodeFileHeader(1, 1), Buffer.alloc(8 * BLOCK_BYTES)], 0);
    await file.close();
  });

  async function write(number: number, syncedThrough: number): Promise<void> {
    const file = await fs.open(PATH, 'write');
    await file.write([block(number, syncedThrough)], placeOf(number));
    await file.close();
  }

  async function replay(requiredBlock = 0): Promise<JournalEnd & { readonly found: number[] }> {
    const found: number[] = [];
    const result = await readJournal(fs, DIRECTORY, FIRST_FILE, requiredBlock, {
      metadata: (_bytes, number) => found.push(number),
    });
    return { ...result, found };
  }

  it('is where the first of them is missing, and what stands behind it is cut off, and told', async () => {
    for (const number of [1, 2]) await write(number, number - 1);
    await write(4, 1);
    await write(5, 2);
    const { found, nextBlock, cut } = await replay();
    assert.deepEqual({ found, nextBlock }, { found: [1, 2], nextBlock: 3 });
    const bytes = 3 * BLOCK_BYTES;
    assert.deepEqual(cut, { path: PATH, at: placeOf(3), bytes, blocksBehind: 2, records: 0 });
    assert.match(tornEndText(cut!), /was torn: .* and of 2 behind it that did not wait for it, .* cut off/);
    assert.equal(fs.readWhole(PATH).length, placeOf(3));
  });

  it('is where the first of them is torn', async () => {
    for (const number of [1, 2]) await write(number, number - 1);
    await write(3, 1);
    await write(4, 2);
    fs.flipBit(PATH, placeOf(3) + BLOCK_HEADER_BYTES + 20, 3);
    const { found, cut } = await replay();
    assert.deepEqual(found, [1, 2]);
    assert.equal(cut?.blocksBehind, 1);
    assert.equal(cut?.bytes, 2 * BLOCK_BYTES);
  });

  it('does not come back when its numbers are given again', async () => {
    await write(1, 0);
    await write(3, 1);
    assert.deepEqual((await replay()).found, [1]);
    await write(2, 1);
    assert.deepEqual((await replay()).found, [1, 2]);
  });

  it('is durable as it was cut before anything else is written', async () => {
    await write(1, 0);
    await write(3, 1);
    await replay();
    const after = fs.crash(() => 0.99);
    assert.equal(after.readWhole(PATH).length, placeOf(2));
  });

  it('is corruption where a later block says that the one that is missing was safe', async () => {
    for (const number of [1, 2, 3, 4]) await write(number, number - 2);
    await write(6, 5);
    const place = { name: 'CorruptionError', path: PATH, offset: placeOf(5) };
    await assert.rejects(replay(), place);
    assert.deepEqual((await salvageJournal(fs, DIRECTORY, 0)).gaps, [{ from: 5, to: 6 }]);
  });

  it('is corruption where the snapshot says that the one that is missing was safe', async () => {
    for (const number of [1, 2]) await write(number, number - 1);
    await write(4, 2);
    await assert.rejects(replay(4), { name: 'CorruptionError', path: PATH, offset: placeOf(3) });
    assert.deepEqual((await salvageJournal(fs, DIRECTORY, 4)).gaps, [{ from: 3, to: 4 }]);
  });

  it('is saved by the doctor as a start takes it', async () => {
    for (const number of [1, 2]) await write(number, number - 1);
    await write(4, 2);
    const { files, gaps } = await salvageJournal(fs, DIRECTORY, 0);
    assert.deepEqual(gaps, []);
    assert.deepEqual(
      files.map(({ blocks }) => blocks.map(({ number }) => number)),
      [[1, 2]],
    );
  });
});
