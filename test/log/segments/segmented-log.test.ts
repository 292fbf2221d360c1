import assert from 'node:assert/strict';
import test from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { CorruptionError } from '../../../src/log/corruption.ts';
import { SegmentDirectory } from '../../../src/log/segments/segment-directory.ts';
import type { SegmentedLog } from '../../../src/log/segments/segmented-log.ts';
import { verifyBatch } from '../../../src/records/batch-checksum.ts';
import { BatchView } from '../../../src/records/batch-view.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { SimulatedFileSystem } from '../../support/simulated-filesystem/simulated-filesystem.ts';
import { fill, ROOT, range, readOffsets } from './log-model.ts';

function open(fs: SimulatedFileSystem, segmentBytes = 10_000, maxOpenFiles = 4): SegmentDirectory {
  return new SegmentDirectory(fs, ROOT, { segmentBytes, maxOpenFiles });
}

function namesOf(fs: SimulatedFileSystem): string[] {
  return fs.files().map((file) => file.path.slice(ROOT.length));
}

async function newLog(): Promise<{
  fs: SimulatedFileSystem;
  directory: SegmentDirectory;
  log: SegmentedLog;
}> {
  const fs = new SimulatedFileSystem();
  await fs.makeDirectory('/data');
  await fs.syncDirectory('/');
  const directory = open(fs);
  return { fs, directory, log: directory.openLog(3, null) };
}

test('files are named by twenty digits and hold whole record batches and nothing else', async () => {
  const { fs, log } = await newLog();
  await fill(log, 0, 250, 10);
  const files = fs.files();
  assert.ok(files.length >= 3);
  assert.equal(files[0].path, `${ROOT}/3/00000000000000000000.log`);
  let next = 0;
  for (const { path, size } of files) {
    assert.ok(size <= 10_000);
    assert.equal(Number(/(\d{20})\.log$/.exec(path)?.[1]), next);
    const bytes = fs.readWhole(path);
    for (let at = 0; at < bytes.length; ) {
      assert.equal(verifyBatch(bytes, at, bytes.length), null);
      const header = new BatchView(bytes, at);
      assert.equal(header.baseOffset, next);
      next = header.lastOffset + 1;
      at = header.end;
    }
  }
  assert.equal(next, 250);
  assert.equal(
    log.bytes,
    files.reduce((sum, file) => sum + file.size, 0),
  );
  assert.deepEqual([log.startOffset, log.endOffset], [0, 250]);
});

test('a read begins at its offset, wherever that is, and gives one record at least', async () => {
  const { log } = await newLog();
  await fill(log, 0, 100, 7);
  for (const maxBytes of [1, 500, 3000, 1_000_000]) {
    for (let from = 0; from < 103; from += 3) {
      assert.deepEqual(await readOffsets(log, from, maxBytes), range(from, Math.max(from, 100)));
    }
  }
  const beyond = await log.read(100, 1000);
  assert.ok(beyond.isEmpty);
  assert.equal(beyond.nextOffset, 100);
});

test('a batch larger than a segment or than the read is stored and read whole', async () => {
  const { log } = await newLog();
  await fill(log, 0, 4, 1, 50_000);
  assert.equal(log.table().length, 4);
  assert.deepEqual(await readOffsets(log, 0, 100), [0, 1, 2, 3]);
});

test('opening touches no file, of ten thousand logs either', async () => {
  const fs = new SimulatedFileSystem();
  const refuse = (): never => assert.fail('a file was touched');
  for (const operation of ['open', 'list', 'makeDirectory', 'remove'] as const) fs[operation] = refuse;
  const directory = open(fs);
  const table = [{ baseOffset: 0, endOffset: 100, bytes: 12_345, records: 100 }];
  const logs = Array.from({ length: 10_000 }, (_, id) => directory.openLog(id, table));
  assert.equal(logs[9999].endOffset, 100);
});

test('no more files are open than allowed, however many logs are read and written', async () => {
  const { directory } = await newLog();
  const logs = Array.from({ length: 20 }, (_, id) => directory.openLog(id, null));
  for (const log of logs) await fill(log, 0, 20, 10);
  assert.ok(directory.openFiles <= 4);
  for (const log of logs) assert.deepEqual(await readOffsets(log, 5), range(5, 20));
  assert.ok(directory.openFiles <= 4);
  await Promise.all(logs.map((log) => readOffsets(log, 0)));
  assert.ok(directory.openFiles <= 4);
  await directory.syncAll();
  await directory.close();
  assert.equal(directory.openFiles, 0);
});

test('after sync a power cut takes nothing, and what the snapshot does not know is gone', async () => {
  const { fs, directory, log } = await newLog();
  await fill(log, 0, 120, 10);
  const table = log.table();
  await directory.syncAll();
  await fill(log, 120, 300, 10);
  const found = fs.crash(seededRandom(5));
  const again = open(found).openLog(3, table);
  assert.deepEqual(await readOffsets(again, 0), range(0, 120));
  // The offsets after the snapshot come again, from the journal, and take the place of the left-overs.
  await fill(again, 120, 130, 5);
  assert.deepEqual(await readOffsets(again, 0), range(0, 130));
  assert.deepEqual(
    namesOf(found),
    again.table().map((info) => `/3/${String(info.baseOffset).padStart(20, '0')}.log`),
  );
  assert.equal(
    again.bytes,
    found.files().reduce((sum, file) => sum + file.size, 0),
  );
});

test('acknowledged segments leave the table at once and the disk when a snapshot without them is durable', async () => {
  const { fs, log } = await newLog();
  await fill(log, 0, 250, 10);
  const before = log.table();
  log.dropBelow(before[1].baseOffset + 1);
  assert.equal(log.startOffset, before[1].baseOffset);
  await log.deleteDropped(before);
  assert.equal(fs.files().length, before.length, 'the snapshot names it still');
  await log.deleteDropped(log.table());
  assert.equal(fs.files().length, before.length - 1);

  log.dropBelow(250);
  assert.deepEqual(log.table(), []);
  assert.equal(log.endOffset, 250);
  await log.deleteDropped([]);
  assert.deepEqual(fs.files(), []);
  await fill(log, 300, 310, 10);
  assert.deepEqual(await readOffsets(log, 0), range(300, 310));
});

test('a snapshot names a dropped segment still: a restart between dropping and reading keeps it', async () => {
  const { fs, directory, log } = await newLog();
  await fill(log, 0, 250, 10);
  await directory.syncAll();
  const table = log.table();
  const second = open(fs).openLog(3, table);
  second.dropBelow(table[0].endOffset);
  await readOffsets(second, 0);
  const third = open(fs).openLog(3, table);
  assert.deepEqual(await readOffsets(third, 0), range(0, 250));
});

test('one live message in a segment keeps itself on disk, and little else', async () => {
  const { fs, directory, log } = await newLog();
  await fill(log, 0, 1000, 10);
  const live = new Set([17, 130, 131, ...range(990, 1000)]);
  const liveCount = (from: number, to: number): number =>
    range(from, to).filter((each) => live.has(each)).length;
  await log.reclaim((from, to) => liveCount(from, to) === 0, liveCount);
  const kept = await readOffsets(log, 0);
  for (const offset of live) assert.ok(kept.includes(offset));
  assert.ok(kept.filter((offset) => offset < 900).length === 3);
  // Until a snapshot says so, the originals stay.
  const table = log.table();
  assert.ok(namesOf(fs).some((name) => name.endsWith('.cleaned')));
  await directory.syncAll();
  await log.deleteDropped(table);
  assert.ok(namesOf(fs).every((name) => name.endsWith('.log')));
  assert.ok(log.bytes < 11_000);
  assert.equal(
    log.bytes,
    fs.files().reduce((sum, file) => sum + file.size, 0),
  );
  assert.deepEqual(await readOffsets(log, 0), kept);
  const again = open(fs.crash(seededRandom(1))).openLog(3, table);
  assert.deepEqual(await readOffsets(again, 0), kept);
});

test('a crash before a rewritten segment takes its place loses neither of the two', async () => {
  const { fs, directory, log } = await newLog();
  await fill(log, 0, 250, 10);
  await directory.syncAll();
  const before = log.table();
  await log.reclaim(
    () => false,
    (from, to) => (from <= 5 && to > 5 ? 1 : 0),
  );
  const after = log.table();
  assert.ok(after[0].bytes < before[0].bytes);
  const found = fs.crash(seededRandom(9));
  // The copies were durable: whichever snapshot is found, its files are there.
  const newer = open(found).openLog(3, after);
  const offsets = await readOffsets(newer, 0);
  assert.equal(offsets[0], 5);
  assert.ok(namesOf(found).every((name) => name.endsWith('.log')));
});

test('a segment that is rewritten while a snapshot is taken is on disk as that snapshot found it', async () => {
  const { fs, directory, log } = await newLog();
  await fill(log, 0, 250, 10);
  const table = log.table();
  await log.reclaim(
    () => false,
    (from, to) => (from <= 5 && to > 5 ? 1 : 0),
  );
  await directory.syncAll();
  const found = fs.crash(seededRandom(3));
  assert.deepEqual(await readOffsets(open(found).openLog(3, table), 0), range(0, 250));
});

test('a segment that grew and was rewritten to its former size is not taken for what it was', async () => {
  const { fs, directory, log } = await newLog();
  await fill(log, 0, 10, 10);
  await directory.syncAll();
  const before = log.table();
  await fill(log, 10, 150, 10);
  const isLive = (offset: number): boolean => offset >= 20 && offset < 30;
  await log.reclaim(
    () => false,
    (from, to) => range(from, to).filter(isLive).length,
  );
  assert.equal(log.table()[0].bytes, before[0].bytes);
  const found = fs.crash(seededRandom(4));
  assert.deepEqual(await readOffsets(open(found).openLog(3, before), 0), range(0, 10));
});

test('a segment that is being appended to is not dropped, though all that it held is acknowledged', async () => {
  for (let turns = 0; turns < 6; turns++) {
    const { log } = await newLog();
    await fill(log, 0, 10, 10);
    const appended = fill(log, 10, 20, 10);
    for (let turn = 0; turn < turns; turn++) await nextTurn();
    for (let microtask = 0; microtask < 3; microtask++) await null;
    log.dropBelow(10);
    await appended;
    await log.deleteDropped([]);
    assert.deepEqual(await readOffsets(log, 10), range(10, 20), `acknowledged after ${turns} turns`);
  }
});

test('a failed sync is final: bytes that the system may have dropped are never called durable', async () => {
  const { fs, directory, log } = await newLog();
  await fill(log, 0, 10, 10);
  fs.failNext('sync', 'EIO');
  await assert.rejects(directory.syncAll(), { code: 'EIO' });
  await assert.rejects(directory.syncAll(), { code: 'EIO' });
  await assert.rejects(log.sync(), { code: 'EIO' });
});

test('a sync of all logs waits for the one of a single log that is under way', async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const { fs, directory, log } = await newLog();
    await fill(log, 0, 5, 5);
    await directory.syncAll();
    await fill(log, 5, 10, 5);
    const single = log.sync();
    for (let microtask = 0; microtask < 3; microtask++) await null;
    await directory.syncAll();
    const table = log.table();
    const found = fs.crash(seededRandom(seed));
    await single;
    assert.deepEqual(await readOffsets(open(found).openLog(3, table), 0), range(0, 10));
  }
});

test('a full disk fails the append and nothing else, and leaves nothing behind', async () => {
  const { fs, log } = await newLog();
  await fill(log, 0, 20, 10);
  const used = fs.files().reduce((sum, file) => sum + file.size, 0);
  fs.capacityBytes = used + 500;
  await assert.rejects(fill(log, 20, 30, 10), { code: 'ENOSPC' });
  assert.deepEqual(await readOffsets(log, 0), range(0, 20));
  fs.capacityBytes = 1e9;
  await fill(log, 20, 25, 5);
  assert.deepEqual(await readOffsets(log, 0), range(0, 25));
  assert.equal(fs.files()[0].size, log.bytes);
});

test('every flipped bit in a segment is an error that names file and position, never a record', async () => {
  const { fs, directory, log } = await newLog();
  await fill(log, 0, 6, 2, 20);
  await directory.syncAll();
  const table = log.table();
  const path = `${ROOT}/3/00000000000000000000.log`;
  const batchStarts = [0, table[0].bytes / 3, (table[0].bytes * 2) / 3];
  for (let bit = 0; bit < table[0].bytes * 8; bit += 5) {
    fs.flipBit(path, bit >> 3, bit & 7);
    const again = open(fs).openLog(3, table);
    await assert.rejects(readOffsets(again, 0), (error) => {
      assert.ok(error instanceof CorruptionError, `bit ${bit}: ${error}`);
      assert.equal(error.path, path);
      assert.ok(batchStarts.includes(error.offset), `bit ${bit} reported at byte ${error.offset}`);
      assert.match(error.message, /sluice doctor/);
      return true;
    });
    // Found by the process that wrote it, too.
    await assert.rejects(readOffsets(log, 0), CorruptionError);
    fs.flipBit(path, bit >> 3, bit & 7);
  }
  assert.deepEqual(await readOffsets(open(fs).openLog(3, table), 0), range(0, 6));
});

test('a missing or shortened file that the snapshot needs is an error, and nothing is guessed', async () => {
  const { fs, directory, log } = await newLog();
  await fill(log, 0, 250, 10);
  await directory.syncAll();
  const table = log.table();
  const path = `${ROOT}/3/${String(table[1].baseOffset).padStart(20, '0')}.log`;
  const file = await fs.open(path, 'write');
  await file.truncate(table[1].bytes - 1);
  await assert.rejects(readOffsets(open(fs).openLog(3, table), 0), { path, offset: table[1].bytes - 1 });
  await fs.remove(path);
  await assert.rejects(readOffsets(open(fs).openLog(3, table), 0), { path, offset: 0 });
});

test('a removed log leaves no file, and its number can be used again', async () => {
  const { fs, directory, log } = await newLog();
  await fill(log, 0, 50, 10);
  await log.remove();
  assert.deepEqual(fs.files(), []);
  await assert.rejects(log.read(0, 100), /removed/);
  await directory.syncAll();
  const again = directory.openLog(3, null);
  await fill(again, 0, 5, 5);
  assert.deepEqual(await readOffsets(again, 0), range(0, 5));
});

test('batches that do not follow the end of the log are refused', async () => {
  const { log } = await newLog();
  await fill(log, 0, 10, 10);
  await assert.rejects(fill(log, 5, 10, 5), RangeError);
  assert.deepEqual(await readOffsets(log, 0), range(0, 10));
});
