import assert from 'node:assert/strict';
import test from 'node:test';
import { checkSegmentFile } from '../../../src/log/segments/segment-check.ts';
import { SegmentDirectory } from '../../../src/log/segments/segment-directory.ts';
import { repairSegment } from '../../../src/log/segments/segment-repair.ts';
import type { SegmentInfo } from '../../../src/log/segments/segmented-log.ts';
import { SimulatedFileSystem } from '../../support/simulated-filesystem/simulated-filesystem.ts';
import { fill, ROOT, range, readOffsets } from './log-model.ts';

const PATH = `${ROOT}/3/00000000000000000000.log`;

/** One segment with the offsets 0 to 50, in five batches. */
async function corruptedBy(
  corrupt: (fs: SimulatedFileSystem, info: SegmentInfo) => Promise<void> | void,
): Promise<{ fs: SimulatedFileSystem; info: SegmentInfo }> {
  const fs = new SimulatedFileSystem();
  const directory = new SegmentDirectory(fs, ROOT);
  const log = directory.openLog(3, null);
  await fill(log, 0, 50, 10);
  await directory.syncAll();
  const [info] = log.table();
  assert.deepEqual(await checkSegmentFile(fs, PATH, info), []);
  assert.deepEqual(await checkSegmentFile(fs, PATH), []);
  await corrupt(fs, info);
  return { fs, info };
}

async function readAll(fs: SimulatedFileSystem, info: SegmentInfo): Promise<number[]> {
  return readOffsets(new SegmentDirectory(fs, ROOT).openLog(3, [info]), 0);
}

test('a damaged batch is reported with the offsets in it, and the rest can be read when it is cut', async () => {
  const { fs, info } = await corruptedBy((files, { bytes }) => files.flipBit(PATH, bytes / 5 + 100, 3));
  const corruptRanges = await checkSegmentFile(fs, PATH, info);
  assert.equal(corruptRanges.length, 1);
  const [{ position, bytes, fromOffset, toOffset, what }] = corruptRanges;
  assert.deepEqual([position, bytes], [info.bytes / 5, info.bytes / 5]);
  assert.deepEqual([fromOffset, toOffset], [10, 20]);
  assert.match(what, /checksum/);
  await assert.rejects(readAll(fs, info), { path: PATH });
  await repairSegment(fs, corruptRanges[0]);
  assert.deepEqual(await checkSegmentFile(fs, PATH, info), []);
  assert.deepEqual(await checkSegmentFile(fs, PATH), []);
  assert.deepEqual(await readAll(fs, info), [...range(0, 10), ...range(20, 50)]);
});

test('behind a length that is destroyed the next sound batch is found', async () => {
  const { fs, info } = await corruptedBy((files, { bytes }) => {
    files.flipBit(PATH, (bytes / 5) * 2 + 8, 6);
    files.flipBit(PATH, (bytes / 5) * 3 + 9, 1);
  });
  const corruptRanges = await checkSegmentFile(fs, PATH, info);
  assert.deepEqual(
    corruptRanges.map(({ fromOffset, toOffset }) => [fromOffset, toOffset]),
    [[20, 40]],
  );
  for (const damage of corruptRanges) await repairSegment(fs, damage);
  assert.deepEqual(await readAll(fs, info), [...range(0, 20), ...range(40, 50)]);
});

test('bytes between two batches, or behind the last one, are cut with a batch beside them, as no offset is left for them', async () => {
  for (const [batches, garbage, kept] of [
    [2, 70, [...range(0, 20), ...range(30, 50)]],
    [2, 20, [...range(0, 20), ...range(30, 50)]],
    [5, 70, range(0, 40)],
    [5, 20, range(0, 40)],
  ] as const) {
    const { fs, info } = await corruptedBy(async (files, { bytes }) => {
      const whole = files.readWhole(PATH);
      const at = (bytes / 5) * batches;
      const file = await files.open(PATH, 'write');
      await file.write([Buffer.alloc(garbage, 7), whole.subarray(at)], at);
      await file.close();
    });
    const longer = { ...info, bytes: info.bytes + garbage };
    const corruptRanges = await checkSegmentFile(fs, PATH, longer);
    for (const each of corruptRanges) await repairSegment(fs, each);
    assert.deepEqual(await checkSegmentFile(fs, PATH, longer), []);
    assert.deepEqual(await readAll(fs, longer), kept);
  }
});

test('a file that lost its end is filled up, so that the log can go on behind it', async () => {
  const { fs, info } = await corruptedBy(async (files, { bytes }) => {
    const file = await files.open(PATH, 'write');
    await file.truncate((bytes / 5) * 3 + 17);
  });
  const corruptRanges = await checkSegmentFile(fs, PATH, info);
  assert.deepEqual(
    corruptRanges.map(({ fromOffset, toOffset }) => [fromOffset, toOffset]),
    [[30, 50]],
  );
  await repairSegment(fs, corruptRanges[0]);
  const log = new SegmentDirectory(fs, ROOT).openLog(3, [info]);
  await fill(log, 50, 60, 10);
  assert.deepEqual(await readOffsets(log, 0), [...range(0, 30), ...range(50, 60)]);
});

test('a missing file is replaced by one that says that its messages are lost', async () => {
  const { fs, info } = await corruptedBy((files) => files.remove(PATH));
  const corruptRanges = await checkSegmentFile(fs, PATH, info);
  assert.deepEqual(
    [corruptRanges[0].what, corruptRanges[0].fromOffset, corruptRanges[0].toOffset],
    ['the file is missing', 0, 50],
  );
  await repairSegment(fs, corruptRanges[0]);
  assert.deepEqual(await checkSegmentFile(fs, PATH, info), []);
  assert.deepEqual(await readAll(fs, info), []);
});

test('without a snapshot a torn end is cut off', async () => {
  const { fs } = await corruptedBy(async (files, { bytes }) => {
    const file = await files.open(PATH, 'write');
    await file.write([Buffer.alloc(30, 1)], bytes);
  });
  const corruptRanges = await checkSegmentFile(fs, PATH);
  assert.equal(corruptRanges.length, 1);
  assert.deepEqual([corruptRanges[0].fromOffset, corruptRanges[0].toOffset], [50, -1]);
  await repairSegment(fs, corruptRanges[0]);
  assert.deepEqual(await checkSegmentFile(fs, PATH), []);
});
