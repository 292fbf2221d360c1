import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { crc32c } from '../../../src/base/crc32c.ts';
import { OffsetIndex } from '../../../src/log/segments/offset-index.ts';
import { SegmentDirectory } from '../../../src/log/segments/segment-directory.ts';
import type { SegmentedLog } from '../../../src/log/segments/segmented-log.ts';
import { BatchView } from '../../../src/records/batch-view.ts';
import { SimulatedFileSystem } from '../../support/simulated-filesystem/simulated-filesystem.ts';
import { producedBatch } from '../compaction/produced-batch.ts';
import { ROOT } from './log-model.ts';

const clock = { now: () => 1_700_000_000_000, monotonicMs: () => 0 };

function openDirectory(fs: SimulatedFileSystem): SegmentDirectory {
  return new SegmentDirectory(fs, ROOT, { segmentBytes: 2000 });
}

/** A batch of two records at these times. */
function batchAt(baseOffset: number, ...timestamps: readonly number[]): Buffer {
  const records = timestamps.map((timestampMs) => ({ key: 'k', value: 'v'.repeat(100), timestampMs }));
  return producedBatch(records, { baseOffset });
}

async function fill(log: SegmentedLog, times: readonly (readonly number[])[]): Promise<void> {
  let offset = 0;
  for (const each of times) {
    await log.appendBatches([batchAt(offset, ...each)], offset, offset + each.length, each.length);
    offset += each.length;
  }
}

test('the first batch of a time is found in any segment, also when times go back, and after a restart', async () => {
  const anyTimes = fc.array(fc.array(fc.nat(50), { minLength: 1, maxLength: 3 }), {
    minLength: 1,
    maxLength: 40,
  });
  await fc.assert(
    fc.asyncProperty(anyTimes, fc.nat(55), fc.nat(60), async (times, wanted, from) => {
      const fs = new SimulatedFileSystem();
      const directory = openDirectory(fs);
      const log = directory.openStream(1, null, clock);
      await fill(log, times);
      await directory.syncAll();
      const again = openDirectory(fs).openStream(1, log.table(), clock);
      let next = 0;
      const bases = times.map((each) => (next += each.length) - each.length);
      const index = times.findIndex(
        (each, i) => Math.max(...each) >= wanted && bases[i] + each.length > from,
      );
      for (const each of [log, again]) {
        const found = await each.batchAtTime(wanted, from);
        assert.equal(found && new BatchView(found, 0).baseOffset, index < 0 ? null : bases[index]);
      }
    }),
    { numRuns: 60 },
  );
});

test('an index of a large segment stays small, and never leads behind what is looked for', () => {
  const index = new OffsetIndex();
  const entries: { offset: number; position: number; latest: number }[] = [];
  let latest = 0;
  for (let i = 0; i < 20_000; i++) {
    const timestamp = (i * 7919) % 5000 < 40 ? i * 3 : i;
    latest = Math.max(latest, timestamp);
    entries.push({ offset: i * 5, position: i * 50_000, latest });
    index.add(i * 5, i * 50_000, timestamp);
  }
  for (let i = 0; i < 20_000; i += 37) {
    const { offset, position } = entries[i];
    const place = index.lookup(offset)!;
    assert.ok(place.position <= position && place.position > position - 1_500_000, `offset ${offset}`);
    assert.equal(place.offset, (place.position / 50_000) * 5);
  }
  for (let time = 0; time <= latest; time += 501) {
    const first = entries.find((entry) => entry.latest >= time)!;
    const place = index.lookupTime(time)!;
    assert.ok(
      place.position <= first.position && place.position > first.position - 1_500_000,
      `time ${time}`,
    );
  }
  assert.equal(index.lookupTime(latest + 1), null);
});

test('a segment that was closed gets no more batches, and one begins where offsets were left out', async () => {
  const log = openDirectory(new SimulatedFileSystem()).openStream(1, null, clock);
  await log.appendBatches([batchAt(0, 1)], 0, 1, 1);
  await log.roll();
  assert.equal(log.active, null);
  await log.appendBatches([batchAt(1, 2)], 1, 2, 1);
  await log.appendBatches([batchAt(7, 3)], 7, 8, 1);
  const starts = log.segments.map(({ baseOffset }) => baseOffset);
  assert.deepEqual(starts, [0, 1, 7]);
  assert.deepEqual(
    log.table().map(({ createdMs, maxTimestampMs }) => [createdMs, maxTimestampMs]),
    [1, 2, 3].map((time) => [clock.now(), time]),
  );
});

test('what a producer has where our batches have a check of their own is nothing to a stream', async () => {
  // Some clients number the records of batches without a producer.
  const batch = batchAt(0, 1);
  batch.writeInt32BE(0, 53);
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17);
  const log = openDirectory(new SimulatedFileSystem()).openStream(1, null, clock);
  await log.appendBatches([batch], 0, 1, 1);
  assert.deepEqual((await log.read(0, 1000)).buffer, batch);
});

test('a base offset that was corrupted shows, although no checksum covers it', async () => {
  const fs = new SimulatedFileSystem();
  const directory = openDirectory(fs);
  const log = directory.openStream(1, null, clock);
  await fill(log, [[1], [2], [3], [4]]);
  await directory.syncAll();
  const path = `${ROOT}/1/00000000000000000000.log`;
  fs.flipBit(path, batchAt(0, 1).length + 7, 5);
  const again = openDirectory(fs).openStream(1, log.table(), clock);
  await assert.rejects(again.read(0, 10_000), { path, offset: batchAt(0, 1).length });
  // Without a restart, what is before it is read.
  assert.equal((await log.read(0, 10_000)).nextOffset, 1);
  await assert.rejects(log.read(1, 10_000), { path });
});
