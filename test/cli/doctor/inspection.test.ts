import assert from 'node:assert/strict';
import { beforeEach, describe, it } from 'node:test';
import { crc32c } from '../../../src/base/crc32c.ts';
import { Broker } from '../../../src/broker/broker.ts';
import { encodeOperation } from '../../../src/broker/topology/metadata.ts';
import { renderInspection } from '../../../src/cli/doctor/doctor-command.ts';
import { Inspector } from '../../../src/cli/doctor/inspection.ts';
import { repairAll } from '../../../src/cli/doctor/repair.ts';
import type { FileSystem } from '../../../src/log/files/filesystem.ts';
import { encodeFileHeader, journalFileName } from '../../../src/log/journal/journal-files.ts';
import { FIRST_FILE, filePosition, inFiles } from '../../../src/log/journal/position.ts';
import { readSnapshot, type Snapshot, writeSnapshot } from '../../../src/log/snapshot.ts';
import { RecordBatchBuilder } from '../../../src/records/batch-builder.ts';
import { MessageView } from '../../../src/records/message-view.ts';
import { type BadSectors, withBadSectors } from '../../log/bad-sectors.ts';
import { readJournal } from '../../log/journal/read-journal.ts';
import { SimulatedFileSystem } from '../../support/simulated-filesystem/simulated-filesystem.ts';

/** A block of the journal as its format says, with nothing in it but `bytes` of metadata. */
function block(number: number, syncedBlock: number, bytes = 64): Buffer {
  const block = Buffer.alloc(32 + 16 + bytes);
  block.write('SLJB', 0, 'latin1');
  block.writeUInt32LE(block.length, 8);
  block.writeUInt32LE(1, 12);
  block.writeDoubleLE(number, 16);
  block.writeDoubleLE(syncedBlock, 24);
  block.writeUInt32LE(16 + bytes, 32);
  block.writeUInt32LE(3 | (1 << 8), 36);
  block.writeUInt32LE(bytes, 40);
  block.writeUInt32LE(crc32c(block.subarray(8)), 4);
  return block;
}

function batch(from: number, count: number): Buffer {
  const message = new MessageView();
  message.body = Buffer.from('a message');
  message.bodyEnd = message.body.length;
  message.protocol = 1;
  const content = Buffer.alloc(message.contentBytes());
  message.write(content, 0);
  const builder = new RecordBatchBuilder(64 * 1024);
  builder.begin();
  for (let offset = from; offset < from + count; offset++) {
    assert.ok(builder.append(offset, 1000, content, 0, content.length));
  }
  return Buffer.from(builder.finish());
}

describe('an inspection of a data directory', () => {
  const segment = Buffer.concat([batch(0, 10), batch(10, 10)]);
  const segmentPath = '/data/logs/7/00000000000000000000.log';
  const firstJournal = `/data/journal/${journalFileName(3)}`;
  const lastJournal = `/data/journal/${journalFileName(4)}`;
  let fs: SimulatedFileSystem;
  let snapshot: Snapshot;

  async function write(path: string, ...parts: Buffer[]): Promise<void> {
    const file = await fs.open(path, 'create');
    await file.write(parts, 0);
    await file.close();
  }

  /** Two journal files with the blocks 20 to 23, the first two of them covered by the snapshot; a log of one segment. */
  beforeEach(async () => {
    fs = new SimulatedFileSystem();
    await fs.makeDirectory('/data/journal');
    await fs.makeDirectory('/data/logs/7');
    await write(firstJournal, encodeFileHeader(3, 20), block(20, 19), block(21, 20));
    await write(lastJournal, encodeFileHeader(4, 22), block(22, 21), block(23, 22));
    await write(segmentPath, segment);
    const segments = [{ baseOffset: 0, endOffset: 20, bytes: segment.length, records: 20 }];
    const log = { id: 7, head: 0, end: 20, tailStart: 20, settled: [], segments };
    const queue = Buffer.from(
      encodeOperation({
        op: 'queue.declare',
        vhost: '/',
        name: 'q',
        id: 7,
        autoDelete: false,
        arguments: {},
      }),
    ).toString();
    snapshot = {
      nextBlock: 22,
      journal: filePosition(3, 3),
      clean: false,
      logs: [log],
      broker: { metadata: [queue] },
    };
    await writeSnapshot(fs, '/data', snapshot);
  });

  const inspect = () => new Inspector(fs, '/data').inspect();

  it('finds nothing in whole files, having read all of them', async () => {
    const { findings, tornEnd, journalFiles, journalBlocks, segments, bytes } = await inspect();
    assert.deepEqual({ findings, tornEnd }, { findings: [], tornEnd: null });
    assert.deepEqual(
      { journalFiles, journalBlocks, segments },
      { journalFiles: 2, journalBlocks: 4, segments: 1 },
    );
    assert.equal(bytes, 2 * (32 + 2 * 112) + segment.length);
  });

  it('finds a flipped bit at every byte of journal, segment and snapshot', async () => {
    for (const path of [firstJournal, segmentPath, '/data/snapshot']) {
      const size = fs.readWhole(path).length;
      for (let offset = 0; offset < size; offset += 5) {
        // The four zeros that end a journal file's header mean nothing.
        if (path === firstJournal && offset >= 28 && offset < 32) continue;
        fs.flipBit(path, offset, offset % 8);
        const { findings } = await inspect();
        assert.ok(
          findings.some((finding) => finding.path === path),
          `${path} at ${offset}`,
        );
        fs.flipBit(path, offset, offset % 8);
      }
    }
    assert.deepEqual((await inspect()).findings, []);
  });

  it('goes on behind damage: all damaged files are named, with what is affected', async () => {
    fs.flipBit(firstJournal, 32 + 112 + 50, 1);
    fs.flipBit(segmentPath, segment.length - 1, 1);
    const { findings, journalBlocks } = await inspect();
    assert.deepEqual(
      findings.map(({ path, offset, affected }) => ({ path, offset, affected })),
      [
        {
          path: firstJournal,
          offset: 32 + 112,
          affected: 'what is in this file from there on, and in the 1 file after it',
        },
        {
          path: segmentPath,
          offset: segment.length / 2,
          affected: "messages of queue 'q' in vhost '/' between offsets 10 and 19",
        },
      ],
    );
    assert.equal(journalBlocks, 2);
  });

  it('knows the logs of priorities and of delayed messages', async () => {
    const [known] = snapshot.logs;
    const bucket = Buffer.from(
      encodeOperation({
        op: 'delay.bucket-add',
        vhost: 'v',
        id: 9,
        startMs: 1_700_000_000_000,
        widthMs: 64_000,
      }),
    ).toString();
    const { metadata } = snapshot.broker as { metadata: string[] };
    const queues = [
      {
        id: 7,
        seen: [],
        lanes: [
          [0, 7, []],
          [3, 8, []],
        ],
      },
    ];
    const logs = [known!, { ...known!, id: 8 }, { ...known!, id: 9 }];
    await writeSnapshot(fs, '/data', {
      ...snapshot,
      logs,
      broker: { metadata: [...metadata, bucket], queues },
    });
    for (const id of [8, 9]) {
      await fs.makeDirectory(`/data/logs/${id}`);
      await write(segmentPath.replace('/7/', `/${id}/`), segment);
    }
    for (const id of [7, 8, 9]) fs.flipBit(segmentPath.replace('/7/', `/${id}/`), 80, 1);
    assert.deepEqual(
      (await inspect()).findings.map(({ affected }) => affected),
      [
        "messages of queue 'q' in vhost '/' between offsets 0 and 9",
        "messages of queue 'q' in vhost '/', of priority 3, between offsets 0 and 9",
        "delayed messages in vhost 'v', due from 2023-11-14T22:13:20.000Z to 2023-11-14T22:14:24.000Z, between offsets 0 and 9",
      ],
    );
  });

  it('tells a torn last write, which no confirm was given for, from damage', async () => {
    const file = await fs.open(lastJournal, 'write');
    await file.truncate(32 + 112 + 40);
    await file.close();
    const inspection = await inspect();
    assert.deepEqual(inspection.findings, []);
    assert.deepEqual(inspection.tornEnd, {
      path: lastJournal,
      at: 32 + 112,
      bytes: 40,
      blocksBehind: 0,
      records: 0,
    });
    assert.match(
      renderInspection(inspection),
      /torn last write: .*0000000004\.journal from byte 144, 40 bytes/,
    );
  });

  it('misses a segment that is gone, but not one that has the name it got when it was rewritten', async () => {
    await fs.rename(segmentPath, '/data/logs/7/00000000000000000000.20.cleaned');
    assert.deepEqual((await inspect()).findings, []);
    await fs.remove('/data/logs/7/00000000000000000000.20.cleaned');
    assert.equal((await inspect()).findings[0]?.what, 'the file is missing');
  });

  it('takes no file for damaged that it may not read, nor does a start: the error is of the right that is wanting', async () => {
    for (const forbidden of [firstJournal, lastJournal, '/data/snapshot', segmentPath]) {
      const guarded: FileSystem = {
        ...boundTo(fs),
        open: (path, mode) =>
          path === forbidden
            ? Promise.reject(Object.assign(new Error(`EACCES: ${path}`), { code: 'EACCES', path }))
            : fs.open(path, mode),
      };
      await assert.rejects(new Inspector(guarded, '/data').inspect(), { code: 'EACCES', path: forbidden });
    }
  });

  it('changes no file', async () => {
    fs.flipBit(lastJournal, 200, 1);
    const before = [firstJournal, lastJournal, segmentPath, '/data/snapshot'].map((path) =>
      fs.readWhole(path),
    );
    await inspect();
    const after = [firstJournal, lastJournal, segmentPath, '/data/snapshot'].map((path) =>
      fs.readWhole(path),
    );
    assert.deepEqual(after, before);
  });

  /** What a start finds: the numbers of the blocks that it can read. */
  async function replay(): Promise<number[]> {
    const snapshot = await readSnapshot(fs, '/data');
    const blocks: number[] = [];
    await readJournal(fs, '/data/journal', inFiles(snapshot!.journal), snapshot!.nextBlock, {
      metadata: (_bytes, number) => blocks.push(number),
    });
    return blocks;
  }

  async function cut(): Promise<string[]> {
    const lines = await repairAll(fs, '/data', await inspect());
    assert.deepEqual((await inspect()).findings, []);
    return lines;
  }

  const cuts: readonly (readonly [string, string, number, readonly number[]])[] = [
    ['a block that the snapshot covers', firstJournal, 32 + 112 + 50, [20]],
    ['the first block of a file', lastJournal, 32 + 50, [20, 21]],
    ['the header of a file', lastJournal, 3, [20, 21]],
    ['everything, as the first header is damaged', firstJournal, 3, []],
  ];
  for (const [what, path, offset, blocks] of cuts) {
    it(`is followed, if that is wanted, by a cut after which a start goes well: ${what}`, async () => {
      fs.flipBit(path, offset, 3);
      await assert.rejects(replay(), { name: 'CorruptionError' });
      const damaged = fs.readWhole(path);
      assert.equal((await cut()).length, 1);
      assert.deepEqual(await replay(), blocks);
      assert.deepEqual(fs.readWhole(`${path}.cut`), damaged, 'what is cut off is kept');
    });
  }

  it('finds that the first file of the journal is missing, and cuts so that a start goes well', async () => {
    await fs.remove(firstJournal);
    await assert.rejects(replay(), { name: 'CorruptionError' });
    await cut();
    assert.deepEqual(await replay(), []);
  });

  it('finds that the journal ends before the snapshot was taken, and cuts so that a start goes well', async () => {
    await fs.remove(lastJournal);
    const file = await fs.open(firstJournal, 'write');
    await file.truncate(32 + 112);
    await file.close();
    await assert.rejects(replay(), { name: 'CorruptionError' });
    await cut();
    assert.deepEqual(await replay(), [20]);
  });

  it('takes a whole file out of the journal that the snapshot covers, and a start goes well', async () => {
    await writeSnapshot(fs, '/data', { ...snapshot, nextBlock: 24 });
    fs.flipBit(lastJournal, 3, 3);
    await cut();
    assert.deepEqual(await replay(), [20, 21]);
  });

  it('misses journal files that the snapshot knows, and cuts so that a start goes well', async () => {
    await writeSnapshot(fs, '/data', { ...snapshot, nextBlock: 24, journal: filePosition(3, 5) });
    for (const [path, blocks] of [
      [lastJournal, [20, 21]],
      [firstJournal, []],
    ] as const) {
      await fs.remove(path);
      await assert.rejects(replay(), { name: 'CorruptionError', path });
      assert.equal((await inspect()).findings[0]?.path, path);
      await cut();
      assert.deepEqual(await replay(), blocks);
    }
  });

  it('misses the files between two of the journal, whatever the last one has, and cuts so that a start goes well', async () => {
    const behind = ['/data/journal/0000000007.journal', '/data/journal/9999999999.journal'];
    for (const [index, bytes] of [Buffer.from('x'), fs.readWhole(lastJournal)].entries()) {
      const file = await fs.open(behind[index], 'create');
      await file.write([bytes], 0);
      await file.close();
      const missing = journalFileName(5);
      await assert.rejects(replay(), { name: 'CorruptionError', path: `/data/journal/${missing}` });
      assert.equal((await inspect()).findings[0]?.path, `/data/journal/${missing}`);
      await cut();
      assert.deepEqual(await replay(), [20, 21, 22, 23]);
    }
  });

  it('cuts at the first of several places, also where a file behind it is missing', async () => {
    await writeSnapshot(fs, '/data', { ...snapshot, journal: filePosition(3, 5) });
    fs.flipBit(firstJournal, 32 + 50, 1);
    await fs.remove(lastJournal);
    await cut();
    assert.deepEqual(await replay(), []);
  });

  it('blanks the damaged batch of a segment alone', async () => {
    fs.flipBit(segmentPath, 80, 1);
    assert.match((await cut())[0], /offsets 0 and 9/);
    assert.deepEqual(
      fs.readWhole(segmentPath).subarray(segment.length / 2),
      segment.subarray(segment.length / 2),
    );
  });

  it('cuts nothing when the snapshot is damaged', async () => {
    fs.flipBit('/data/snapshot', 40, 1);
    fs.flipBit(segmentPath, 80, 1);
    const before = fs.readWhole(segmentPath);
    const lines = await repairAll(fs, '/data', await inspect());
    assert.match(lines.join(), /^not cut: the snapshot is damaged/);
    assert.deepEqual(fs.readWhole(segmentPath), before);
  });
});

describe('an inspection of what the disk cannot give', () => {
  const path = '/data/logs/7/00000000000000000000.log';
  const segment = Buffer.concat([batch(0, 100), batch(100, 100), batch(200, 100)]);
  const third = segment.length / 3;
  let bad: BadSectors[];
  let fs: FileSystem;

  async function write(at: string, ...parts: Buffer[]): Promise<void> {
    const file = await fs.open(at, 'create');
    await file.write(parts, 0);
    await file.close();
  }

  beforeEach(async () => {
    bad = [];
    fs = withBadSectors(new SimulatedFileSystem(), bad);
    await fs.makeDirectory('/data/journal');
    await fs.makeDirectory('/data/logs/7');
    await write(`/data/journal/${journalFileName(1)}`, encodeFileHeader(1, 1), block(1, 0), block(2, 1));
    await write(path, segment);
    const segments = [{ baseOffset: 0, endOffset: 300, bytes: segment.length, records: 300 }];
    const log = { id: 7, head: 0, end: 300, tailStart: 300, settled: [], segments };
    await writeSnapshot(fs, '/data', {
      nextBlock: 2,
      journal: FIRST_FILE,
      clean: false,
      logs: [log],
      broker: null,
    });
  });

  const inspect = () => new Inspector(fs, '/data').inspect();

  it('goes on behind a bad sector of a segment, names the place, and can cut it: all else is kept', async () => {
    const from = (Math.ceil(third / 512) + 1) * 512;
    bad.push({ path, from, to: from + 512 });
    const { findings } = await inspect();
    assert.deepEqual(
      findings.map(({ offset, what, affected }) => ({ offset, what, affected })),
      [
        {
          offset: third,
          what: 'it cannot be read (EIO)',
          affected: 'messages of log 7 between offsets 100 and 199',
        },
      ],
    );
    const lines = await repairAll(fs, '/data', await inspect());
    assert.match(lines.join(), /^cut: .*\.log, \d+ bytes/);
    assert.deepEqual((await inspect()).findings, []);
    const names = await fs.list('/data/logs/7');
    assert.deepEqual(names, ['00000000000000000000.log', '00000000000000000000.log.cut']);
  });

  it('goes on behind a segment that cannot be opened, as a directory stands in its place, and can cut it', async () => {
    await fs.remove(path);
    await fs.makeDirectory(path);
    assert.deepEqual(
      (await inspect()).findings.map(({ what }) => what),
      ['it cannot be read (EISDIR)'],
    );
    await repairAll(fs, '/data', await inspect());
    assert.deepEqual((await inspect()).findings, []);
  });

  it('names a journal file and a snapshot that cannot be read; a start is refused with the same words', async () => {
    const journal = `/data/journal/${journalFileName(1)}`;
    for (const each of [journal, '/data/snapshot']) {
      bad.splice(0, 1, { path: each, from: 8, to: 16 });
      const { findings } = await inspect();
      assert.deepEqual(
        findings.map(({ path, what }) => ({ path, what })),
        [{ path: each, what: 'it cannot be read (EIO)' }],
      );
      const start = Broker.open({ dataDirectory: '/data', fileSystem: fs, propertyCodecs: [] });
      await assert.rejects(start, { name: 'CorruptionError', path: each, message: /cannot be read \(EIO\)/ });
    }
  });
});

/** Its methods, for an object of other ones. */
function boundTo(fs: FileSystem): FileSystem {
  const { list, makeDirectory, rename, remove, syncDirectory } = fs;
  const methods = { list, makeDirectory, rename, remove, syncDirectory };
  const bound = Object.entries(methods).map(([name, method]) => [name, method.bind(fs)]);
  return { ...fs, ...Object.fromEntries(bound) };
}
