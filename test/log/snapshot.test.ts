import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { crc32c } from '../../src/base/crc32c.ts';
import { filePosition, inFiles } from '../../src/log/journal/position.ts';
import { readSnapshot, type Snapshot, writeSnapshot } from '../../src/log/snapshot.ts';
import { SimulatedFileSystem } from '../support/simulated-filesystem/simulated-filesystem.ts';

const SNAPSHOT: Snapshot = {
  nextBlock: 22,
  journal: filePosition(3, 5),
  clean: true,
  logs: [],
  broker: { metadata: ['x'] },
};

/** As it was written when the journal could only be local files. */
function formatOne(payload: object): Buffer {
  const json = Buffer.from(JSON.stringify(payload));
  const header = Buffer.alloc(24);
  header.write('SLUICESN', 'latin1');
  header.writeUInt32LE(1, 8);
  header.writeUInt32LE(crc32c(json), 12);
  header.writeBigUInt64LE(BigInt(json.length), 16);
  return Buffer.concat([header, json]);
}

async function directory(): Promise<SimulatedFileSystem> {
  const fs = new SimulatedFileSystem();
  await fs.makeDirectory('/data');
  return fs;
}

async function write(fs: SimulatedFileSystem, bytes: Buffer): Promise<void> {
  const file = await fs.open('/data/snapshot', 'create');
  await file.write([bytes], 0);
  await file.close();
}

describe('a snapshot', () => {
  it('keeps the position of the journal', async () => {
    const fs = await directory();
    await writeSnapshot(fs, '/data', SNAPSHOT);
    assert.deepEqual(await readSnapshot(fs, '/data'), SNAPSHOT);
  });

  it('of a broker with much in it is written a little at a time', async () => {
    const fs = await directory();
    const parts = Array.from({ length: 2000 }, (_, i) => `operation ${i} `.padEnd(1000, 'é'));
    let pauses = 0;
    const pause = async () => void pauses++;
    await writeSnapshot(fs, '/data', { ...SNAPSHOT, broker: { parts } }, pause);
    assert.ok(pauses > 25, `${pauses} pauses`);
    assert.deepEqual(await readSnapshot(fs, '/data'), { ...SNAPSHOT, broker: { parts } });
  });

  it('of the first format is read, whose position was two numbers of files', async () => {
    const fs = await directory();
    const { journal: _journal, ...rest } = SNAPSHOT;
    await write(fs, formatOne({ ...rest, firstFile: 3, newFile: 5 }));
    assert.deepEqual(await readSnapshot(fs, '/data'), SNAPSHOT);
  });

  it('of a format to come is refused', async () => {
    const fs = await directory();
    const bytes = formatOne({});
    bytes.writeUInt32LE(3, 8);
    await write(fs, bytes);
    await assert.rejects(readSnapshot(fs, '/data'), /format version 3 instead of 2/);
  });

  it('of another device than local files is not taken for one of these', () => {
    assert.throws(() => inFiles({ device: 'partition' }), /not in local files, but in a 'partition'/);
  });
});
