import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Partition } from '../../../src/broker/streams/partition.ts';
import { renderLogs } from '../../../src/cli/doctor/doctor-command.ts';
import { Inspector } from '../../../src/cli/doctor/inspection.ts';
import { repairAll } from '../../../src/cli/doctor/repair.ts';
import { nodeFileSystem } from '../../../src/log/files/node-filesystem.ts';
import { batchBytes } from '../../../src/records/batch-view.ts';
import { forEachRecord } from '../../../src/records/record-cursor.ts';
import { TestBroker } from '../../broker/test-broker.ts';
import { producedBatch } from '../../log/compaction/produced-batch.ts';

const BATCHES = 12;
const RECORDS = 5;
const LEADER_EPOCH_AT = 12;

/** A stopped broker with a stream of one segment; where that is, and where each of its batches begins. */
async function stopped(test: TestBroker): Promise<{ path: string; starts: number[]; size: number }> {
  const configs = new Map([
    ['cleanup.policy', 'compact'],
    ['segment.ms', '1'],
    ['min.cleanable.dirty.ratio', '1'],
  ]);
  const { broker } = test;
  const partition = broker.streams.create({ vhost: '/', name: 'orders', partitions: 1, configs })
    .ownPartitions[0];
  for (let i = 0; i < BATCHES; i++) {
    const records = Array.from({ length: RECORDS }, (_, j) => ({
      key: `key-${i}-${j}`,
      value: `value ${i}`,
      timestampMs: 1_700_000_000_000 + i,
    }));
    const batch = producedBatch(records);
    partition.append(batch, 0, batch.length);
  }
  await test.flush();
  while (partition.log.tail.count > 0) await new Promise((resolve) => setTimeout(resolve, 5));
  await broker.close();
  const path = join(test.directory, 'logs', String(partition.id), '00000000000000000000.log');
  const bytes = await readFile(path);
  const starts: number[] = [];
  for (let at = 0; at < bytes.length; at += batchBytes(bytes, at)) starts.push(at);
  assert.equal(starts.length, BATCHES);
  return { path, starts, size: bytes.length };
}

async function flip(path: string, at: number, bit: number): Promise<void> {
  const bytes = await readFile(path);
  bytes[at] = bytes[at] ^ (1 << bit);
  await writeFile(path, bytes);
}

const inspect = (test: TestBroker) => new Inspector(nodeFileSystem, test.directory).inspect();

test('a flipped bit in a segment of a stream is found wherever it is, and named by stream and partition', async () => {
  await using broker = await TestBroker.start({ reclaimMs: 5 });
  const { path, starts, size } = await stopped(broker);
  assert.deepEqual((await inspect(broker)).findings, []);
  assert.match(
    renderLogs(await inspect(broker)),
    /^logs\/\d+: records of stream 'orders' in vhost '\/', partition 0$/m,
  );
  for (let at = 0; at < size; at += 7) {
    const start = starts.findLast((each) => each <= at) as number;
    // The epoch of the leader is of no use to one broker, and in no checksum.
    if (at - start >= LEADER_EPOCH_AT && at - start < LEADER_EPOCH_AT + 4) continue;
    await flip(path, at, at % 8);
    const { findings } = await inspect(broker);
    assert.equal(findings[0]?.offset, start, `byte ${at} of the batch at ${start}`);
    const first = starts.indexOf(start) * RECORDS;
    assert.ok(
      findings[0].affected.startsWith(
        `records of stream 'orders' in vhost '/', partition 0, between offsets ${first} `,
      ),
      findings[0].affected,
    );
    await flip(path, at, at % 8);
  }
  await broker.open();
});

test('after a cut all but the damaged batch can be read, and the stream goes on', async () => {
  await using broker = await TestBroker.start({ reclaimMs: 5 });
  const { path, starts } = await stopped(broker);
  await flip(path, starts[3] + 70, 2);
  const inspection = await inspect(broker);
  assert.equal(inspection.findings.length, 1);
  const [line] = await repairAll(nodeFileSystem, broker.directory, inspection);
  assert.match(line, /records of stream 'orders'.*between offsets 15 and 19/);
  assert.deepEqual((await inspect(broker)).findings, []);
  await broker.open();
  const partition = broker.broker.streams.get('/', 'orders')?.ownPartitions[0] as Partition;
  const offsets: number[] = [];
  for (let at = 0; at < partition.highWatermark; ) {
    const { bytes, nextOffset } = await partition.read(at, partition.highWatermark, 1000);
    forEachRecord(bytes, 0, bytes.length, (offset) => {
      if (offset >= at) offsets.push(offset);
    });
    at = nextOffset;
  }
  const expected = [...Array(BATCHES * RECORDS).keys()].filter((offset) => offset < 15 || offset >= 20);
  assert.deepEqual(offsets, expected);
  assert.equal(partition.endOffset, BATCHES * RECORDS);
});

test('the files of a stream that was deleted since the last snapshot are not missed', async () => {
  await using broker = await TestBroker.start({ reclaimMs: 5 });
  const { path } = await stopped(broker);
  await broker.open();
  const { streams, shard } = broker.broker;
  streams.delete(streams.get('/', 'orders')!);
  await broker.flush();
  while (existsSync(path)) await new Promise((resolve) => setTimeout(resolve, 5));
  shard.store.abandon();
  assert.deepEqual((await inspect(broker)).findings, []);
  await broker.restart();
});
