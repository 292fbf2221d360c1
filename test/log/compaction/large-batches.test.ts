import assert from 'node:assert/strict';
import test from 'node:test';
import { systemScheduler } from '../../../src/base/scheduler.ts';
import { compactLog } from '../../../src/log/compaction/compact-log.ts';
import { SegmentDirectory } from '../../../src/log/segments/segment-directory.ts';
import { verifyBatch } from '../../../src/records/batch-checksum.ts';
import { BatchView } from '../../../src/records/batch-view.ts';
import { COMPRESSION } from '../../../src/records/compression/compression.ts';
import { BatchOpener } from '../../../src/records/opening/batch-opener.ts';
import { RecordCursor } from '../../../src/records/record-cursor.ts';
import { SimulatedFileSystem } from '../../support/simulated-filesystem/simulated-filesystem.ts';
import { producedBatch } from './produced-batch.ts';

const RECORDS = 40_000;
const KEYS = 15_000;
const MIB = 1024 * 1024;
const DELETE_RETENTION_MS = 1000;
const NOW_MS = 1_700_000_000_000;

/** Every seventh deletes its key. */
function recordsOf(from: number) {
  return Array.from({ length: RECORDS }, (_, index) => ({
    key: `key-${(from + index) % KEYS}`,
    value: index % 7 === 0 ? null : `value of ${from + index}, and some more to make it long enough`,
    timestampMs: from + index,
  }));
}

for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const) {
  test(`batches of ${RECORDS} records (${codec}) are compacted without holding up others for long`, async () => {
    const fs = new SimulatedFileSystem({});
    await fs.makeDirectory('/data');
    const directory = new SegmentDirectory(fs, '/data', { segmentBytes: 64 * MIB, maxOpenFiles: 2 });
    const log = directory.openStream(7, null, { now: () => NOW_MS, monotonicMs: () => NOW_MS });
    const latest = new Map<string, { readonly offset: number; readonly value: string | null }>();
    for (const baseOffset of [0, RECORDS]) {
      const records = recordsOf(baseOffset);
      for (const [index, { key, value }] of records.entries())
        latest.set(key, { offset: baseOffset + index, value });
      const batch = producedBatch(records, { baseOffset, compression: COMPRESSION[codec] });
      await log.appendBatches([batch], baseOffset, baseOffset + RECORDS, RECORDS);
      await log.roll();
    }
    const opener = new BatchOpener(systemScheduler);
    let pauses = 0;
    const compact = (nowMs: number, cleanedTo: number) =>
      compactLog(log, {
        cleanedTo,
        below: 2 * RECORDS,
        nowMs,
        deleteRetentionMs: DELETE_RETENTION_MS,
        segmentBytes: 64 * MIB,
        memoryBytes: 64 * MIB,
        opener,
        abortedIn: () => [],
        pause: async () => {
          pauses++;
          await new Promise((resolve) => setImmediate(resolve));
          return true;
        },
      });
    assert.equal(await compact(NOW_MS, 0), 2 * RECORDS);
    assert.ok(pauses > 20, `${pauses} pauses`);
    const { buffer } = await log.read(0, 64 * MIB);
    const found = new Map<string, { readonly offset: number; readonly value: string | null }>();
    for (const batch = new BatchView(buffer, 0); batch.at < buffer.length; batch.moveTo(buffer, batch.end)) {
      assert.equal(verifyBatch(buffer, batch.at, buffer.length, true), null);
      assert.equal(batch.compression, COMPRESSION[codec]);
      assert.equal(batch.baseTimestampMs, NOW_MS + DELETE_RETENTION_MS, 'the delete horizon');
      const records = new RecordCursor().open(buffer, batch.at);
      while (records.next()) {
        records.readContent();
        const { bytes, keyStart, keyLength, valueStart, valueLength, offset, timestampMs } = records;
        assert.equal(timestampMs, offset);
        const value = valueLength < 0 ? null : bytes.toString('latin1', valueStart, valueStart + valueLength);
        found.set(bytes.toString('latin1', keyStart, keyStart + keyLength), { offset, value });
      }
      records.expectEnd();
    }
    const sorted = (map: typeof found) => [...map].sort(([a], [b]) => (a < b ? -1 : 1));
    assert.deepEqual(sorted(found), sorted(latest));
    await opener.close();
  });
}
