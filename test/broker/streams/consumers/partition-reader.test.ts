import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PartitionReader, type Visited } from '../../../../src/broker/streams/consumers/partition-reader.ts';
import type { Partition } from '../../../../src/broker/streams/partition.ts';
import { writeChecksum } from '../../../../src/records/batch-checksum.ts';
import { COMPRESSION } from '../../../../src/records/compression/compression.ts';
import { transactionEndBatch } from '../../../../src/records/transaction-marker.ts';
import { seededRandom } from '../../../support/seeded-random.ts';
import { settled, TestBroker } from '../../test-broker.ts';
import { batchOf } from '../bindings/records.ts';

const KIB = 1024;
const CODECS = ['none', 'none', 'gzip', 'lz4', 'snappy', 'zstd'] as const;

/** What a reader has to find: offsets, and values. */
interface Expected {
  readonly offset: number;
  readonly value: string;
}

function pick<T>(random: () => number, values: readonly T[]): T {
  return values[Math.floor(random() * values.length)];
}

function append(partition: Partition, batch: Buffer): number {
  return partition.append(batch, 0, batch.length);
}

/** Batches of all kinds, most of them in segments in the end. Returns what of them is for readers. */
async function fill(test: TestBroker, partition: Partition, random: () => number): Promise<Expected[]> {
  const expected: Expected[] = [];
  for (let i = 0; i < 120; i++) {
    const count = 1 + Math.floor(random() * 20);
    const values = Array.from({ length: count }, (_, n) => `|${i}.${n}:${'x'.repeat(random() * 2000)}`);
    const records = values.map((value) => ({ key: null, value }));
    const kind = random();
    const producerId = 1000 + i;
    const isTransactional = kind > 0.7;
    const batch = batchOf(records, pick(random, CODECS), isTransactional ? { producerId } : {});
    const base = append(partition, batch);
    const isAborted = kind > 0.85;
    if (isTransactional) {
      const end = { timestampMs: 1, producerId, producerEpoch: 0, isCommit: !isAborted, coordinatorEpoch: 0 };
      append(partition, transactionEndBatch(end));
    }
    if (!isAborted) for (const [n, value] of values.entries()) expected.push({ offset: base + n, value });
    if (i % 10 === 9) await test.flush();
    await settled();
  }
  await test.flush();
  return expected;
}

/** Reads with stops at random places, below limits that move. */
async function readAll(
  partition: Partition,
  from: number,
  random: () => number,
): Promise<{ found: Expected[]; loads: number }> {
  const found: Expected[] = [];
  let loads = 0;
  const reader = new PartitionReader(partition, from, {
    onReady: () => undefined,
    onUnreadable: (offset) => assert.fail(`unreadable at ${offset}`),
  });
  const visit = (): Visited => {
    if (random() < 0.05) return 'before';
    const { bytes, contentStart, contentEnd, offset } = reader.cursor;
    const content = bytes.toString('latin1', contentStart, contentEnd);
    found.push({ offset, value: /\|\d+\.\d+:x*/.exec(content)?.[0] ?? content });
    return random() < 0.05 ? 'behind' : 'on';
  };
  for (let round = 0; reader.next < partition.lastStableOffset; round++) {
    assert.ok(round < 20_000, `no end at ${reader.next}`);
    const below = random() < 0.5 ? Number.POSITIVE_INFINITY : reader.next + Math.floor(random() * 50);
    const end = reader.read(visit, below);
    if (end === 'loading') loads++;
    if (end === 'loading' || random() < 0.1) await settled();
  }
  reader.close();
  return { found, loads };
}

test('a reader finds every record once and in order, wherever it stops, and whatever the batches are', async () => {
  for (let seed = 1; seed <= 4; seed++) {
    const random = seededRandom(seed);
    await using broker = await TestBroker.start({
      memoryLimitBytes: 128 * KIB,
      chunkBytes: 32 * KIB,
      journalFileBytes: 64 * KIB,
      journalLimitBytes: 256 * KIB,
      segmentBytes: 64 * KIB,
    });
    const stream = broker.broker.streams.create({ vhost: '/', name: 's', partitions: 1, configs: new Map() });
    const partition = stream.ownPartitions[0];
    const expected = await fill(broker, partition, random);
    for (let i = 0; i < 5; i++) {
      const from = i === 0 ? 0 : Math.floor(random() * partition.highWatermark);
      const { found, loads } = await readAll(partition, from, random);
      if (from === 0) assert.ok(loads > 0, 'some of it is in segments');
      assert.deepEqual(
        found,
        expected.filter(({ offset }) => offset >= from),
        `seed ${seed}, from ${from}`,
      );
    }
  }
});

/** Records of `bytes` in all, each with its number at the beginning. */
function numbered(count: number, bytes: number): { readonly key: null; readonly value: string }[] {
  const filler = 'abcdefgh'.repeat(Math.ceil(bytes / count / 8));
  return Array.from({ length: count }, (_, index) => ({ key: null, value: `|${index}:${filler}` }));
}

test('batches that are large when decompressed are read elsewhere, in order, and a reader may stop anywhere in them', async () => {
  await using broker = await TestBroker.start();
  const stream = broker.broker.streams.create({ vhost: '/', name: 's', partitions: 1, configs: new Map() });
  const partition = stream.ownPartitions[0];
  for (const codec of ['gzip', 'snappy', 'lz4', 'zstd'] as const) {
    append(partition, batchOf(numbered(2000, 3 * KIB * KIB), codec));
    append(partition, batchOf(numbered(3, 30), codec));
  }
  // What was never compressed, in a batch that says that it was.
  const garbage = batchOf(numbered(20, 20 * KIB));
  garbage.writeInt16BE(COMPRESSION.zstd, 21);
  writeChecksum(garbage, 0, garbage.length);
  append(partition, garbage);
  append(partition, batchOf(numbered(1, 10)));
  await broker.flush();
  const random = seededRandom(5);
  let ready = (): void => undefined;
  const unreadable: number[] = [];
  const found: number[] = [];
  const reader = new PartitionReader(partition, 0, {
    onReady: () => ready(),
    onUnreadable: (offset) => unreadable.push(offset),
  });
  let kept = 0;
  const visit = (): Visited => {
    if (random() < 0.002) return 'before';
    found.push(reader.cursor.offset);
    kept = Math.max(kept, partition.opener.opened.account.bytes);
    return random() < 0.002 ? 'behind' : 'on';
  };
  let loads = 0;
  while (reader.next < partition.highWatermark) {
    const end = reader.read(visit);
    const { compression, bytes } = reader.cursor;
    assert.ok(compression === 0 || bytes.length <= 64 * KIB, 'it holds no large batch while it waits');
    if (end !== 'loading') continue;
    loads++;
    await new Promise<void>((resolve) => {
      ready = resolve;
    });
  }
  // Behind these is the garbage, and behind that one more record.
  const readable = Array.from({ length: 8012 }, (_, offset) => offset);
  assert.deepEqual(found, [...readable, partition.highWatermark - 1]);
  assert.deepEqual(unreadable, [8012]);
  assert.ok(loads >= 5, `${loads} batches were opened elsewhere`);
  assert.ok(kept > 3 * KIB * KIB && kept <= partition.opener.opened.account.bytesMax, `${kept} bytes`);
  reader.close();
});

test('readers of one large batch share what was decompressed', async () => {
  await using broker = await TestBroker.start();
  const stream = broker.broker.streams.create({ vhost: '/', name: 's', partitions: 1, configs: new Map() });
  const partition = stream.ownPartitions[0];
  append(partition, batchOf(numbered(2000, 5 * KIB * KIB), 'zstd'));
  await broker.flush();
  const readers = Array.from({ length: 20 }, () => {
    let ready = (): void => undefined;
    const reader = new PartitionReader(partition, 0, {
      onReady: () => ready(),
      onUnreadable: (offset) => assert.fail(`unreadable at ${offset}`),
    });
    return {
      reader,
      untilReady: () =>
        new Promise<void>((resolve) => {
          ready = resolve;
        }),
    };
  });
  await Promise.all(
    readers.map(async ({ reader, untilReady }) => {
      let count = 0;
      while (reader.next < partition.highWatermark) {
        const end = reader.read(() => (++count % 100 === 0 ? 'behind' : 'on'));
        if (end === 'loading') await untilReady();
      }
      assert.equal(count, 2000);
    }),
  );
  const { bytes } = partition.opener.opened.account;
  assert.ok(bytes > 5 * KIB * KIB && bytes < 6 * KIB * KIB, `${bytes} bytes`);
});
