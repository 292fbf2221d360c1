import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';
import { asLocal } from '../../../src/broker/queues/any-queue.ts';
import { nodeFileSystem } from '../../../src/log/files/node-filesystem.ts';
import { moveGoneAway } from '../../../src/log/segments/transient-logs.ts';
import { TestBroker } from '../../broker/test-broker.ts';
import { FaultyFileSystem, type FaultyOperation } from '../../support/faulty-filesystem.ts';
import { SimulatedFileSystem } from '../../support/simulated-filesystem/simulated-filesystem.ts';
import { until } from '../../support/until.ts';

const KIB = 1024;
const SMALL = { memoryLimitBytes: 64 * KIB, chunkBytes: 16 * KIB };

/** Remembers what was done below `logs/`. */
class Recorder extends FaultyFileSystem {
  calls: { operation: FaultyOperation; path: string }[] = [];

  constructor() {
    super(nodeFileSystem, null);
  }

  override count(operation: FaultyOperation, path: string): void {
    if (path.includes('/logs') && !path.endsWith('newest-snapshot')) this.calls.push({ operation, path });
    super.count(operation, path);
  }

  of(...operations: FaultyOperation[]): string[] {
    return this.calls.filter(({ operation }) => operations.includes(operation)).map(({ path }) => path);
  }
}

function directories(test: TestBroker): string[] {
  return readdirSync(join(test.directory, 'logs')).filter((name) => name !== 'newest-snapshot');
}

/** Transient queues, of which each has something in a segment. */
async function fill(test: TestBroker, count: number): Promise<void> {
  const queues = Array.from({ length: count }, (_, i) => test.queue(`q${i}`, { durable: false }));
  for (let round = 0; queues.some(({ log }) => (log.segments?.bytes ?? 0) === 0); round++) {
    assert.ok(round < 1000, 'nothing is paged out');
    for (const { name } of queues) test.publish(name, Buffer.alloc(500), false);
    await test.flush();
    await new Promise(setImmediate);
  }
}

it('a queue that comes and goes without a file costs no call of the file system', async () => {
  const fs = new Recorder();
  await using test = await TestBroker.start({ fileSystem: fs });
  fs.calls = [];
  for (let i = 0; i < 100; i++) {
    const queue = test.queue(`q${i}`, { durable: i % 2 === 0 });
    test.publish(queue.name, 'message', false);
    test.broker.vhosts.get('/')?.deleteQueue(queue.name, { ifUnused: false, ifEmpty: false }, null);
    await test.flush();
  }
  assert.deepEqual(fs.calls, []);
});

it('segments of transient queues are never synced', async () => {
  const fs = new Recorder();
  await using test = await TestBroker.start({ fileSystem: fs, ...SMALL });
  fs.calls = [];
  await fill(test, 20);
  assert.ok(fs.of('write').length >= 20);
  await test.broker.shard.store.maintenance.snapshot(false);
  assert.deepEqual(fs.of('sync', 'syncDirectory'), []);
});

it('a start has one thing to do about all transient logs of the run before, and deletes them later', async () => {
  const fs = new Recorder();
  await using test = await TestBroker.start({ fileSystem: fs, ...SMALL });
  await fill(test, 100);
  await test.broker.close();
  fs.calls = [];
  await test.open();
  assert.ok(fs.calls.length < 30, `${fs.calls.length} calls`);
  assert.equal(fs.of('rename').length, 1);
  // The numbers of logs that did not survive are given again.
  await fill(test, 10);
  await until(() => directories(test).length === 1);
  assert.deepEqual(directories(test), ['transient-logs']);
  assert.ok(asLocal(test.broker.vhosts.get('/')?.findQueue('q3'))?.log.segments?.bytes);
});

it('what a stop has kept from being deleted is deleted by a later start', async () => {
  const fs = new Recorder();
  await using test = await TestBroker.start({ fileSystem: fs, ...SMALL });
  await fill(test, 200);
  for (let i = 0; i < 3; i++) await test.restart();
  const names = directories(test);
  assert.ok(names.length > 0 && names.every((name) => name.startsWith('transient-gone-')), names.join(' '));
  await until(() => directories(test).length === 0);
});

it('on a full disk what was deleted is deleted at the start, as that takes no space', async () => {
  for (const operation of ['makeDirectory', 'rename'] as const) {
    const disk = new SimulatedFileSystem();
    for (const id of [1, 2, 3]) await disk.makeDirectory(`/data/logs/${id}`);
    const fs = new FaultyFileSystem(disk, { operation, call: 1, code: 'ENOSPC' });
    const gone = await moveGoneAway(fs, '/data/logs', ['1', '3']);
    for (const path of gone) await disk.remove(path);
    assert.deepEqual(await disk.list('/data/logs'), ['2']);
  }
});

it('a stop does not wait until all is written that was to leave the memory', async () => {
  const fs = new Recorder();
  await using test = await TestBroker.start({
    fileSystem: fs,
    chunkBytes: 16 * KIB,
    memoryLimitBytes: 256 * KIB,
  });
  const count = 500;
  for (let i = 0; i < count; i++) test.queue(`q${i}`, { durable: i % 2 === 0 });
  const publish = (text: string) => {
    for (let i = 0; i < count; i++) test.publish(`q${i}`, `${text} ${i}`.padEnd(700), true);
  };
  publish('first');
  await test.flush();
  await until(() => fs.of('write').length > 0);
  const written = fs.of('write').length;
  await test.broker.close();
  assert.ok(fs.of('write').length < written + 100, `${fs.of('write').length} writes`);
  await test.open();
  for (let i = 0; i < count; i += 2) {
    const queue = asLocal(test.broker.vhosts.get('/')?.findQueue(`q${i}`));
    assert.equal(queue?.readyCount, 1, `queue ${i}`);
  }
});
