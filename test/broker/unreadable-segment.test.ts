import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { BrokerOptions } from '../../src/broker/broker.ts';
import type { Partition } from '../../src/broker/streams/partition.ts';
import { nodeFileSystem } from '../../src/log/files/node-filesystem.ts';
import { type BadSectors, withBadSectors } from '../log/bad-sectors.ts';
import { producedBatch } from '../log/compaction/produced-batch.ts';
import { until } from '../support/until.ts';
import { batchOf } from './streams/batches.ts';
import { TestBroker, TestConsumer } from './test-broker.ts';

const KIB = 1024;
const MESSAGES = 400;

interface Unreadable {
  readonly test: TestBroker;
  readonly bad: BadSectors[];
  readonly errors: { readonly path: string; readonly what: string; readonly queue?: string }[];
  readonly failures: Error[];
}

/** Most messages of the queue `hurt` are in a segment; `spoil` makes it unreadable before the next start. */
async function unreadable(
  spoil: (path: string, bad: BadSectors[]) => Promise<void> | void,
): Promise<Unreadable> {
  const bad: BadSectors[] = [];
  const errors: Unreadable['errors'] = [];
  const failures: Error[] = [];
  const options: Partial<BrokerOptions> = {
    fileSystem: withBadSectors(nodeFileSystem, bad),
    memoryLimitBytes: 64 * KIB,
    chunkBytes: 16 * KIB,
    segmentBytes: 1024 * KIB,
    reclaimMs: 20,
    onFailure: (error) => failures.push(error),
    log: {
      info: () => undefined,
      warn: () => undefined,
      error: (fields) => errors.push(fields as Unreadable['errors'][number]),
    },
  };
  const test = await TestBroker.start(options);
  const queue = test.queue('hurt');
  test.queue('well');
  for (let i = 0; i < MESSAGES; i++) test.publish('hurt', `${i}`.padEnd(1000, '.'));
  test.publish('well', 'fine');
  await test.flush();
  await until(() => (queue.log.segments?.bytes ?? 0) > 200_000);
  await test.broker.close();
  const [path] = globSync(join(test.directory, 'logs', String(queue.id), '*.log'));
  await spoil(path!, bad);
  await test.open();
  return { test, bad, errors, failures };
}

describe('a segment that the disk cannot give', () => {
  it('stops its queue behind what can be read, and nothing else', async () => {
    const { test, errors, failures } = await unreadable((path, bad) => {
      bad.push({ path, from: 150_000, to: 150_512 });
    });
    await using _ = test;
    const consumer = new TestConsumer(test.queue('hurt'));
    await until(() => consumer.wasCancelled);
    assert.ok(consumer.bodies.length > 0 && consumer.bodies.length < 150, `${consumer.bodies.length} came`);
    assert.equal(errors.length, 1);
    assert.equal(errors[0].queue, 'hurt');
    assert.match(errors[0].what, /cannot be read \(EIO\)/);
    const other = new TestConsumer(test.queue('well'));
    await other.received(1);
    // What is published goes to a segment of its own, and the journal can be retired.
    for (let i = 0; i < MESSAGES; i++) test.publish('hurt', `${i}`.padEnd(1000, '.'));
    await test.flush();
    await until(() => test.queue('hurt').log.tailBytes < 100_000);
    consumer.unacknowledged.ack(0, true);
    await new Promise((resolve) => setTimeout(resolve, 100));
    assert.deepEqual(failures, []);
  });

  it('is no reason to end when it is opened in vain: a directory stands in its place', async () => {
    const { test, errors, failures } = await unreadable(async (path) => {
      await rename(path, `${path}.elsewhere`);
      await mkdir(path);
    });
    await using _ = test;
    const consumer = new TestConsumer(test.queue('hurt'));
    await until(() => consumer.wasCancelled);
    assert.match(errors[0].what, /cannot be read \(EISDIR\)/);
    for (let i = 0; i < MESSAGES; i++) test.publish('hurt', `${i}`.padEnd(1000, '.'));
    await test.flush();
    await until(() => test.queue('hurt').log.tailBytes < 100_000);
    assert.deepEqual(failures, []);
  });

  it('is found while segments are rewritten: the queue stops, and what is left of it goes on being kept', async () => {
    const { test, bad, errors, failures } = await unreadable(() => undefined);
    await using _ = test;
    const queue = test.queue('hurt');
    const consumer = new TestConsumer(queue, { prefetch: 300 });
    await consumer.received(300);
    const [path] = globSync(join(test.directory, 'logs', String(queue.id), '*.log'));
    bad.push({ path: path!, from: 0, to: Number.MAX_SAFE_INTEGER });
    // Few are live, in a segment that is not the last.
    await queue.log.segments!.roll();
    for (const { tag, offset } of consumer.messages)
      if (offset !== 5) consumer.unacknowledged.ack(tag, false);
    await until(() => errors.length > 0 || failures.length > 0);
    assert.deepEqual(failures, []);
    assert.match(errors[0].what, /cannot be read \(EIO\)/);
  });

  it('stops its partition for readers, whether compaction or a fetch comes upon it, and nothing else', async () => {
    for (const policy of ['compact', 'delete']) {
      const bad: BadSectors[] = [];
      const errors: object[] = [];
      const failures: Error[] = [];
      await using test = await TestBroker.start({
        fileSystem: withBadSectors(nodeFileSystem, bad),
        memoryLimitBytes: 64 * KIB,
        journalLimitBytes: 128 * KIB,
        journalFileBytes: 32 * KIB,
        chunkBytes: 16 * KIB,
        reclaimMs: 10,
        streamUpkeep: { retentionCheckMs: 10 },
        onFailure: (error) => failures.push(error),
        log: { info: () => undefined, warn: () => undefined, error: (fields) => errors.push(fields) },
      });
      const configs = new Map([
        ['cleanup.policy', policy],
        ['segment.bytes', '32768'],
        ['min.cleanable.dirty.ratio', '0'],
      ]);
      const { ownPartitions: partitions } = test.broker.streams.create({
        vhost: '/',
        name: 's',
        partitions: 2,
        configs,
      });
      const [hurt, well] = partitions as [Partition, Partition];
      bad.push({ path: `${test.directory}/logs/${hurt.id}/${'0'.padStart(20, '0')}.log`, from: 0, to: 4096 });
      for (let i = 0; i < 300; i++) {
        const batch = policy === 'compact' ? keyed(i) : batchOf(['.'.repeat(1000)], Date.now());
        for (const each of partitions) each.append(Buffer.from(batch), 0, batch.length);
        if (i % 20 === 0) await test.flush();
      }
      await test.flush();
      await until(() => hurt.log.segments.bytes > 100_000 || errors.length > 0);
      if (policy === 'compact') await until(() => errors.length > 0 || failures.length > 0);
      await assert.rejects(hurt.read(0, 300, 10_000), { name: 'PartitionCorruption' });
      assert.equal(hurt.log.isCorrupt, true);
      assert.equal(errors.length, 1);
      assert.ok((await well.read(0, 300, 10_000)).bytes.length > 0);
      assert.deepEqual(failures, []);
    }
  });
});

function keyed(i: number): Buffer {
  return producedBatch([{ key: `${i % 3}`, value: '.'.repeat(1000), timestampMs: Date.now() }]);
}
