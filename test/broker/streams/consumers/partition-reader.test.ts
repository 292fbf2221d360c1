import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PartitionReader, type Visited } from '../../../../src/broker/streams/consumers/partition-reader.ts';
import type { Partition } from '../../../../src/broker/streams/partition.ts';
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
    const partition = stream.partitions[0];
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
