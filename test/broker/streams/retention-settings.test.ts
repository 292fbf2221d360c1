import assert from 'node:assert/strict';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { BrokerOptions } from '../../../src/broker/broker.ts';
import type { Partition } from '../../../src/broker/streams/partition.ts';
import { BatchView } from '../../../src/records/batch-view.ts';
import { RecordCursor } from '../../../src/records/record-cursor.ts';
import { producedBatch } from '../../log/compaction/produced-batch.ts';
import { PATIENCE_MS } from '../../support/until.ts';
import { TestBroker } from '../test-broker.ts';

const KIB = 1024;
const HOUR_MS = 3600 * 1000;

/** Looks after streams all the time, and has little memory, so that much is in segments. */
const EAGER: Partial<BrokerOptions> = {
  reclaimMs: 10,
  memoryLimitBytes: 256 * KIB,
  journalLimitBytes: 512 * KIB,
  journalFileBytes: 128 * KIB,
  chunkBytes: 32 * KIB,
  streamUpkeep: { retentionCheckMs: 10 },
};

function create(test: TestBroker, configs: Readonly<Record<string, string>>): Partition {
  const stream = test.broker.streams.create({
    vhost: '/',
    name: 's',
    partitions: 1,
    configs: new Map(Object.entries(configs)),
  });
  return stream.ownPartitions[0];
}

function again(test: TestBroker): Partition {
  return test.broker.streams.get('/', 's')?.ownPartitions[0] as Partition;
}

async function produce(
  test: TestBroker,
  partition: Partition,
  records: readonly (readonly [key: string | null, value: string | null])[],
  timestampMs = Date.now(),
): Promise<void> {
  const batch = producedBatch(records.map(([key, value]) => ({ key, value, timestampMs })));
  partition.append(batch, 0, batch.length);
  await test.flush();
}

async function until(what: string, condition: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`in vain: ${what}`);
    await sleep(10);
  }
}

/** The records that a reader from the beginning gets: offset, key and value. */
async function contents(partition: Partition): Promise<string[]> {
  const found: string[] = [];
  for (let at = partition.startOffset; at < partition.highWatermark; ) {
    const { bytes, nextOffset } = await partition.read(at, partition.highWatermark, 64 * KIB);
    for (let start = 0; start < bytes.length; start += new BatchView(bytes, start).byteLength) {
      const records = new RecordCursor().open(bytes, start);
      while (records.next()) {
        records.readContent();
        const { offset, keyStart, keyLength, valueLength, contentEnd } = records;
        const key = keyLength < 0 ? '-' : records.bytes.toString('utf8', keyStart, keyStart + keyLength);
        const value =
          valueLength < 0
            ? '-'
            : records.bytes.toString('utf8', contentEnd - 1 - valueLength, contentEnd - 1);
        if (offset >= at) found.push(`${offset} ${key}=${value}`);
      }
    }
    if (nextOffset <= at) break;
    at = nextOffset;
  }
  return found;
}

async function filesOf(test: TestBroker, partition: Partition): Promise<string[]> {
  return await readdir(join(test.directory, 'logs', String(partition.id))).catch(() => []);
}

test('what is older than retention.ms goes, also when nothing comes any more, and stays gone', async () => {
  await using broker = await TestBroker.start(EAGER);
  const partition = create(broker, { 'retention.ms': String(HOUR_MS) });
  await produce(
    broker,
    partition,
    [
      ['a', '1'],
      ['b', '2'],
    ],
    Date.now() - 2 * HOUR_MS,
  );
  await until('the old records go', () => partition.startOffset === 2);
  await produce(broker, partition, [['c', '3']]);
  assert.deepEqual(await contents(partition), ['2 c=3']);
  await broker.restart();
  assert.equal(again(broker).startOffset, 2);
  assert.deepEqual(await contents(again(broker)), ['2 c=3']);
});

test('young records keep older ones that are in the same segment, and those behind them', async () => {
  await using broker = await TestBroker.start(EAGER);
  const partition = create(broker, { 'retention.ms': String(HOUR_MS) });
  await produce(broker, partition, [['a', '1']]);
  await produce(broker, partition, [['b', '2']], Date.now() - 2 * HOUR_MS);
  await sleep(150);
  assert.deepEqual(await contents(partition), ['0 a=1', '1 b=2']);
});

test('a stream is as long as retention.bytes says, and less than one segment longer; its files go', async () => {
  await using broker = await TestBroker.start(EAGER);
  const partition = create(broker, { 'retention.bytes': '200000', 'segment.bytes': '50000' });
  for (let i = 0; i < 100; i++) await produce(broker, partition, [['k', `${i}`.padEnd(10_000, '.')]]);
  await until('old segments go', () => partition.startOffset >= 75);
  const left = await contents(partition);
  assert.ok(left.length >= 19 && left.length <= 25, `${left.length} records are left`);
  assert.ok(left.at(-1)?.startsWith('99 k=99'));
  await until('their files go', async () => (await filesOf(broker, partition)).length <= 7);
});

test('nothing is deleted for its age before it is time to look at that', async () => {
  await using broker = await TestBroker.start({ ...EAGER, streamUpkeep: {} });
  const partition = create(broker, { 'retention.ms': '1' });
  await produce(broker, partition, [['a', '1']], 1000);
  await sleep(200);
  assert.deepEqual(await contents(partition), ['0 a=1']);
});

test('records that were deleted by offset are gone at once, and their files soon', async () => {
  await using broker = await TestBroker.start(EAGER);
  const partition = create(broker, { 'segment.bytes': '50000' });
  for (let i = 0; i < 60; i++) await produce(broker, partition, [['k', `${i}`.padEnd(10_000, '.')]]);
  await until('some are in segments', async () => (await filesOf(broker, partition)).length >= 3);
  partition.deleteBefore(55);
  await broker.flush();
  assert.ok((await contents(partition))[0]?.startsWith('55 '));
  await until('files go', async () => {
    const files = await filesOf(broker, partition);
    return files.every((name) => Number.parseInt(name, 10) >= 50);
  });
});

test('a compacted stream comes to the last value of each key, over restarts, with offsets as they were', async () => {
  await using broker = await TestBroker.start(EAGER);
  const partition = create(broker, {
    'cleanup.policy': 'compact',
    'segment.ms': '20',
    'min.cleanable.dirty.ratio': '0',
    'delete.retention.ms': '100',
  });
  for (let round = 0; round < 5; round++) {
    for (let key = 0; key < 10; key++) await produce(broker, partition, [[`k${key}`, `${round}`]]);
  }
  await produce(broker, partition, [['k3', null]]);
  const isCompacted = async (): Promise<boolean> => (await contents(again(broker))).length === 10;
  await until('it is compacted', isCompacted);
  const expected = [...Array(10).keys()].filter((key) => key !== 3).map((key) => `${40 + key} k${key}=4`);
  assert.deepEqual((await contents(partition)).slice(0, 9), expected);
  await broker.restart();
  assert.deepEqual((await contents(again(broker))).slice(0, 9), expected);
  // The deletion goes with one of the next times: there must be something to compact.
  await until('the deletion is gone', async () => {
    await produce(broker, again(broker), [['k9', '5']]);
    return !(await contents(again(broker))).some((record) => record.includes('k3'));
  });
  assert.equal((await contents(again(broker)))[0], '40 k0=4');
});

test('what is younger than min.compaction.lag.ms is not compacted', async () => {
  await using broker = await TestBroker.start(EAGER);
  const partition = create(broker, {
    'cleanup.policy': 'compact',
    'segment.ms': '10',
    'min.cleanable.dirty.ratio': '0',
    'min.compaction.lag.ms': String(HOUR_MS),
  });
  await produce(broker, partition, [['a', '1']], Date.now() - 2 * HOUR_MS);
  await produce(broker, partition, [['a', '2']], Date.now() - 2 * HOUR_MS);
  await until('the old ones are compacted', async () => (await contents(partition)).length === 1);
  await produce(broker, partition, [['a', '3']]);
  await produce(broker, partition, [['a', '4']]);
  await sleep(200);
  assert.deepEqual(await contents(partition), ['1 a=2', '2 a=3', '3 a=4']);
});

test('a stream with more keys than fit in the memory for them is compacted in several passes', async () => {
  await using broker = await TestBroker.start({
    ...EAGER,
    streamUpkeep: { retentionCheckMs: 10_000, compactionMemoryBytes: 1 },
  });
  const partition = create(broker, {
    'cleanup.policy': 'compact',
    'segment.ms': '50',
    'segment.bytes': '20000',
    'min.cleanable.dirty.ratio': '0',
  });
  for (let round = 0; round < 3; round++) {
    for (let from = 0; from < 3000; from += 100) {
      const records = Array.from({ length: 100 }, (_, i) => [`key-${from + i}`, `${round}`] as const);
      await produce(broker, partition, records);
    }
  }
  await until('it is compacted', async () => (await contents(partition)).length === 3000);
  for (const record of await contents(partition)) assert.match(record, /=2$/);
});
