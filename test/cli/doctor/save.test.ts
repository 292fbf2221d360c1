import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { globSync } from 'node:fs';
import { cp, open, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { connect } from 'amqplib';
import { asLocal } from '../../../src/broker/queues/any-queue.ts';
import type { Partition } from '../../../src/broker/streams/partition.ts';
import { renderInspection } from '../../../src/cli/doctor/doctor-command.ts';
import { Inspector } from '../../../src/cli/doctor/inspection.ts';
import { saveDirectory } from '../../../src/cli/doctor/save.ts';
import type { FileSystem } from '../../../src/log/files/filesystem.ts';
import { nodeFileSystem } from '../../../src/log/files/node-filesystem.ts';
import { ContentView } from '../../../src/records/record-content.ts';
import { forEachRecord } from '../../../src/records/record-cursor.ts';
import { batchOf } from '../../broker/streams/batches.ts';
import { TestBroker, TestConsumer } from '../../broker/test-broker.ts';
import { BrokerProcess } from '../../crash/broker-process.ts';
import { withBadSectors } from '../../log/bad-sectors.ts';

const LAUNCHER = fileURLToPath(new URL('../../../bin/sluice', import.meta.url));
const KIB = 1024;
const MESSAGES = 300;
const SMALL = {
  memoryLimitBytes: 64 * KIB,
  chunkBytes: 16 * KIB,
  segmentBytes: 64 * KIB,
  journalFileBytes: 64 * KIB,
  journalLimitBytes: 128 * KIB,
};

/** A data directory to be damaged, and the one to which it is saved. */
class Damaged {
  readonly #test: TestBroker;
  lines: string[] = [];

  private constructor(test: TestBroker) {
    this.#test = test;
  }

  /** Two queues and a stream with most of what they have in segments; a journal whose beginning was retired. */
  static async make(): Promise<Damaged> {
    const test = await TestBroker.start(SMALL);
    const made = new Damaged(test);
    const configs = new Map([['segment.bytes', '65536']]);
    test.broker.streams.create({ vhost: '/', name: 's', partitions: 1, configs });
    for (const name of ['a', 'b']) test.queue(name);
    const binding = { source: 'amq.topic', destination: 'a', routingKey: 'x.#', arguments: {} };
    test.broker.vhosts.get('/')?.bindQueue(binding, null);
    await made.fill(0);
    await test.broker.close();
    return made;
  }

  async fill(from: number): Promise<void> {
    const test = this.#test;
    const [partition] = test.broker.streams.get('/', 's')!.partitions as [Partition];
    for (let i = from; i < from + MESSAGES; i++) {
      for (const name of ['a', 'b']) test.publish(name, bodyOf(i));
      const batch = batchOf([bodyOf(i)], Date.now());
      partition.append(Buffer.from(batch), 0, batch.length);
      if (i % 20 === 0) await test.flush();
    }
    await test.flush();
  }

  /** As many again, by a broker that is stopped in order. */
  async fillMore(): Promise<void> {
    await this.#test.open();
    await this.fill(MESSAGES);
    await this.#test.broker.close();
  }

  path(...names: string[]): string {
    return join(this.#test.directory, ...names);
  }

  get savedTo(): string {
    return this.path('..', 'saved');
  }

  /** What is there is only read. */
  async save(fs: FileSystem = nodeFileSystem): Promise<void> {
    const before = await this.#digest();
    this.lines = await saveDirectory(fs, this.path(), this.savedTo);
    assert.equal(await this.#digest(), before);
  }

  /** A broker on the new directory, which starts twice. */
  async openSaved(): Promise<TestBroker> {
    const first = await TestBroker.on(this.savedTo, SMALL);
    await first.broker.close();
    await first.open();
    return first;
  }

  async #digest(): Promise<string> {
    const hash = createHash('sha256');
    for (const name of globSync('**/*', { cwd: this.path() }).sort()) {
      if (name.startsWith('sluice.lock') || (await stat(this.path(name))).isDirectory()) continue;
      hash.update(name).update(await readFile(this.path(name)));
    }
    return hash.digest('hex');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path('..'), { recursive: true, force: true });
  }
}

function bodyOf(i: number): string {
  return `${i}.`.padEnd(1000, '.');
}

function numberIn(body: string): number {
  return Number.parseInt(body, 10);
}

/** The numbers of the messages that a queue has; it must be there. */
async function takenFrom(test: TestBroker, name: string): Promise<number[]> {
  const queue = asLocal(test.broker.vhosts.get('/')!.findQueue(name));
  assert.ok(queue !== undefined, `queue ${name} is there`);
  const consumer = new TestConsumer(queue);
  const end = Date.now() + 20_000;
  while (queue.readyCount > 0 && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 2));
  assert.equal(consumer.wasCancelled, false);
  return consumer.messages.map(({ body, redelivered }) => {
    assert.ok(redelivered, 'all that was saved may have been delivered');
    return numberIn(body);
  });
}

/** The offsets of a stream, whose values are what was appended there. */
async function offsetsIn(test: TestBroker, name: string): Promise<number[]> {
  const stream = test.broker.streams.get('/', name);
  assert.ok(stream !== undefined, `stream ${name} is there`);
  const [partition] = stream.partitions as [Partition];
  const offsets: number[] = [];
  const view = new ContentView();
  for (let next = partition.startOffset; next < partition.highWatermark; ) {
    const { bytes, nextOffset } = await partition.read(next, partition.highWatermark, 1024 * KIB);
    forEachRecord(bytes, 0, bytes.length, (offset, _timestampMs, memory, start, length) => {
      view.parse(memory, start, length);
      if (offset < next) return;
      assert.equal(numberIn(memory.toString('latin1', view.bodyStart, view.bodyEnd)), offset);
      offsets.push(offset);
    });
    assert.ok(nextOffset > next);
    next = nextOffset;
  }
  return offsets;
}

const all = (count = MESSAGES) => Array.from({ length: count }, (_, i) => i);

describe('sluice doctor --save', () => {
  it('saves all of a directory that is whole', async () => {
    await using damaged = await Damaged.make();
    await damaged.save();
    assert.deepEqual(damaged.lines, []);
    const test = await damaged.openSaved();
    assert.deepEqual(await takenFrom(test, 'a'), all());
    assert.deepEqual(await takenFrom(test, 'b'), all());
    assert.deepEqual(await offsetsIn(test, 's'), all());
    assert.equal(test.broker.vhosts.get('/')!.listBindings({ source: 'amq.topic' }).length, 1);
    await test.broker.close();
  });

  it('saves what segments and journal tell without the snapshot, queues under the names they were published to', async () => {
    await using damaged = await Damaged.make();
    await rm(damaged.path('snapshot'));
    await damaged.save();
    assert.match(
      damaged.lines.join('\n'),
      /the snapshot is missing.*\n.*saved: logs\/\d+: \d+ records, as stream/,
    );
    const test = await damaged.openSaved();
    const [stream] = test.broker.streams.list('/');
    assert.deepEqual(await takenFrom(test, 'a'), all());
    assert.deepEqual(await takenFrom(test, 'b'), all());
    assert.deepEqual(await offsetsIn(test, stream!.name), all());
    test.publish('a', bodyOf(MESSAGES));
    await test.flush();
    await test.broker.close();
  });

  it('saves what is in segments without snapshot and journal', async () => {
    await using damaged = await Damaged.make();
    await rm(damaged.path('snapshot'));
    await rm(damaged.path('journal'), { recursive: true });
    await damaged.save();
    const test = await damaged.openSaved();
    const [stream] = test.broker.streams.list('/');
    const [a, s] = [await takenFrom(test, 'a'), await offsetsIn(test, stream!.name)];
    assert.ok(a.length > MESSAGES / 2 && s.length > MESSAGES / 2, `${a.length} and ${s.length}`);
    assert.deepEqual(a, all(a.length));
    assert.deepEqual(s, all(s.length));
    await test.broker.close();
  });

  it('saves what is in segments without the journal, and all that the snapshot tells', async () => {
    await using damaged = await Damaged.make();
    await rm(damaged.path('journal'), { recursive: true });
    await damaged.save();
    const test = await damaged.openSaved();
    const a = await takenFrom(test, 'a');
    assert.ok(a.length > MESSAGES / 2);
    assert.deepEqual(a, all(a.length));
    assert.equal(test.broker.vhosts.get('/')!.listBindings({ source: 'amq.topic' }).length, 1);
    await test.broker.close();
  });

  for (const hasSnapshot of [true, false]) {
    it(`saves what is before and behind bad sectors, ${hasSnapshot ? 'with' : 'without'} the snapshot`, async () => {
      await using damaged = await Damaged.make();
      const paths = globSync('logs/*/00000000000000000000.log', { cwd: damaged.path() }).sort();
      const bad = paths.map((path) => ({ path: damaged.path(path), from: 20_000, to: 20_512 }));
      if (!hasSnapshot) await rm(damaged.path('snapshot'));
      await damaged.save(withBadSectors(nodeFileSystem, bad));
      assert.match(damaged.lines.join('\n'), /lost: .*00000000000000000000\.log/);
      const test = await damaged.openSaved();
      const [stream] = test.broker.streams.list('/');
      for (const numbers of [
        await takenFrom(test, 'a'),
        await takenFrom(test, 'b'),
        await offsetsIn(test, stream!.name),
      ]) {
        assert.ok(numbers.length > MESSAGES - 140 && numbers.length < MESSAGES, `${numbers.length} are left`);
        assert.deepEqual(
          numbers,
          [...numbers].sort((x, y) => x - y),
        );
        assert.equal(numbers.at(-1), MESSAGES - 1);
      }
      await test.broker.close();
    });
  }

  it('saves what is before and behind a damaged block of the journal', async () => {
    await using damaged = await Damaged.make();
    const [path] = globSync('journal/*.journal', { cwd: damaged.path() }).sort();
    const file = await open(damaged.path(path!), 'r+');
    await file.write(Buffer.alloc(16, 0xff), 0, 16, 3000);
    await file.close();
    const text = renderInspection(await new Inspector(nodeFileSystem, damaged.path()).inspect());
    assert.match(
      text,
      /blocks of the journal that cannot be read: \d+.* Behind them are \d+ records of 3 queues and partitions.*\n {2}\d+ messages of queue 'a'/,
    );
    await damaged.save();
    assert.match(damaged.lines.join('\n'), /lost: blocks \d+ to \d+ of the journal/);
    const test = await damaged.openSaved();
    const a = await takenFrom(test, 'a');
    assert.ok(a.length > MESSAGES - 60 && a.length <= MESSAGES, `${a.length} are left`);
    assert.equal(a.at(-1), MESSAGES - 1);
    await test.broker.close();
  });

  it('saves what a snapshot that is older than the segments does not know', async () => {
    await using damaged = await Damaged.make();
    const older = damaged.path('..', 'older');
    await cp(damaged.path('snapshot'), older);
    await damaged.fillMore();
    await cp(older, damaged.path('snapshot'));
    await damaged.save();
    assert.match(damaged.lines.join('\n'), /the snapshot is older than the segments/);
    const test = await damaged.openSaved();
    assert.deepEqual(await takenFrom(test, 'a'), all(2 * MESSAGES));
    assert.deepEqual(await offsetsIn(test, 's'), all(2 * MESSAGES));
    await test.broker.close();
  });

  it('makes a directory that `sluice start` takes; a directory that is not empty is refused', async () => {
    await using damaged = await Damaged.make();
    await rm(damaged.path('snapshot'));
    const save = ['doctor', '--data-dir', damaged.path(), '--save', damaged.savedTo];
    const { stdout } = await promisify(execFile)(LAUNCHER, save);
    assert.match(stdout, /saved to .*; to start with it: .*bin\/sluice start --data-dir '.*saved'/);
    await assert.rejects(promisify(execFile)(LAUNCHER, save), /is not empty/);
    const broker = new BrokerProcess(damaged.savedTo);
    try {
      const connection = await connect(`amqp://guest:guest@127.0.0.1:${await broker.port()}`);
      const channel = await connection.createChannel();
      assert.equal((await channel.checkQueue('a')).messageCount, MESSAGES);
      await connection.close();
      assert.equal(await broker.stop(), 0);
    } finally {
      await broker.kill();
    }
  });
});
