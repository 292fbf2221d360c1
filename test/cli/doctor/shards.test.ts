import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { globSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Broker } from '../../../src/broker/broker.ts';
import { Publisher } from '../../../src/broker/publishing/publisher.ts';
import { asLocal } from '../../../src/broker/queues/any-queue.ts';
import { bareMessage } from '../../../src/broker/topology/routing.ts';
import { inspectShards, repairShards } from '../../../src/cli/doctor/data-directory.ts';
import { renderShards } from '../../../src/cli/doctor/doctor-command.ts';
import { saveDirectory } from '../../../src/cli/doctor/save.ts';
import { nodeFileSystem } from '../../../src/log/files/node-filesystem.ts';
import { amqp091Codec } from '../../../src/servers/amqp091/property-codec.ts';
import { TestShards } from '../../broker/shards/test-shards.ts';
import { fillView, TestConsumer } from '../../broker/test-broker.ts';
import { until } from '../../support/until.ts';

const MAIN = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url));
const KIB = 1024;
const MESSAGES = 300;
const SHARDS = [0, 1, 2];
const SMALL = {
  memoryLimitBytes: 64 * KIB,
  chunkBytes: 16 * KIB,
  segmentBytes: 64 * KIB,
  journalFileBytes: 64 * KIB,
  journalLimitBytes: 128 * KIB,
};

/** Three shards whose directories are to be damaged: a queue in each, `q0` to `q2`, with most of its messages in segments. */
class Damaged {
  readonly test: TestShards;

  private constructor(test: TestShards) {
    this.test = test;
  }

  static async make(): Promise<Damaged> {
    const made = new Damaged(await TestShards.start(3, SMALL));
    for (const shard of SHARDS) {
      await made.test.declare(0, `q${shard}`, { arguments: { 'x-shard': shard } });
      await made.fill(shard, `q${shard}`);
    }
    await made.test.close();
    return made;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.test.directory, { recursive: true, force: true });
  }

  /** By a publisher in the shard of the queue. */
  async fill(shard: number, queue: string, count = MESSAGES): Promise<void> {
    const { shard: own, deadLettering } = this.test.brokers[shard];
    const publisher = new Publisher(own, deadLettering);
    const vhost = this.test.vhost(shard);
    for (let i = 0; i < count; i++) {
      own.turn.touch();
      fillView(publisher.messageView, queue, `${i}.`.padEnd(1000, '.'));
      publisher.publish(vhost.route(vhost.defaultExchange, queue, bareMessage), true);
      if (i % 20 === 0) await own.store.journal.flush();
    }
    await own.store.journal.flush();
  }

  get directory(): string {
    return this.test.directoryOf(0);
  }

  /** The first file of this pattern in the directory of a shard. */
  file(shard: number, pattern: string): string {
    const directory = this.test.directoryOf(shard);
    return join(directory, globSync(pattern, { cwd: directory }).sort()[0]);
  }

  inspect() {
    return inspectShards(nodeFileSystem, this.directory);
  }

  async report(showsLogs = false): Promise<string> {
    return renderShards(await this.inspect(), showsLogs);
  }

  async repair(): Promise<string[]> {
    return await repairShards(nodeFileSystem, this.directory, await this.inspect());
  }

  /** Saves to another directory; the lines, and the shards of what was saved, opened twice. */
  async save(): Promise<{ readonly lines: string[]; readonly saved: TestShards }> {
    const to = join(this.test.directory, 'saved');
    const lines = await saveDirectory(nodeFileSystem, this.directory, join(to, 'data'));
    const saved = await TestShards.on(to, 3, SMALL);
    await saved.restart();
    return { lines, saved };
  }
}

async function flip(path: string, at: number): Promise<void> {
  const file = await open(path, 'r+');
  await file.write(Buffer.alloc(16, 0xff), 0, 16, at);
  await file.close();
}

/** The numbers of the messages that a queue has, taken where it is. */
async function takenFrom(test: TestShards, shard: number, name: string): Promise<number[]> {
  const queue = asLocal(test.vhost(shard).findQueue(name));
  assert.ok(queue !== undefined, `queue ${name} is in shard ${shard}`);
  const consumer = new TestConsumer(queue);
  await until(() => queue.readyCount === 0);
  return consumer.bodies.map((body) => Number.parseInt(body, 10));
}

const all = (count = MESSAGES) => Array.from({ length: count }, (_, i) => i);

describe('sluice doctor, with several shards', () => {
  it('finds all shards whole, and knows the queues of each', async () => {
    await using damaged = await Damaged.make();
    const text = await damaged.report(true);
    for (const shard of SHARDS) {
      const logs = text.split('\n').filter((line) => line.startsWith(`shard ${shard}: logs/`));
      assert.equal(logs.length, 1);
      assert.match(logs[0], new RegExp(`messages of queue 'q${shard}' in vhost '/'$`));
      assert.match(text, new RegExp(`^shard ${shard}: no damage$`, 'm'));
    }
    for (const line of text.trim().split('\n')) assert.match(line, /^shard [012]: /);
  });

  it('names the queue of a damaged segment in another shard, cuts it, and leaves the others alone', async () => {
    await using damaged = await Damaged.make();
    const path = damaged.file(2, 'logs/*/*.log');
    await flip(path, 20_000);
    const text = await damaged.report();
    assert.match(
      text,
      /^shard 2: DAMAGED: .*shards\/2\/logs\/.*\nshard 2: {3}affected: messages of queue 'q2'/m,
    );
    assert.match(text, /^shard 1: no damage$/m);
    const lines = await damaged.repair();
    assert.equal(lines.length, 1);
    assert.match(lines[0], /^shard 2: cut: .*messages of queue 'q2'/);
    assert.doesNotMatch(await damaged.report(), /DAMAGED/);
    await damaged.test.open();
    for (const shard of [0, 1]) assert.deepEqual(await takenFrom(damaged.test, shard, `q${shard}`), all());
    const left = await takenFrom(damaged.test, 2, 'q2');
    assert.ok(left.length > MESSAGES - 140 && left.length < MESSAGES, `${left.length} are left`);
    await damaged.test.close();
  });

  it("cuts another shard's journal at its damage, after which all shards start", async () => {
    await using damaged = await Damaged.make();
    await flip(damaged.file(1, 'journal/*.journal'), 3000);
    assert.match(
      await damaged.report(),
      /^shard 1: DAMAGED: .*shards\/1\/journal\/(.*\n)+shard 1: {3}\d+ messages of queue 'q1'/m,
    );
    await assert.rejects(damaged.test.open(), /damaged|corrupt|checksum/i);
    await damaged.test.close();
    assert.match((await damaged.repair()).join('\n'), /^shard 1: cut: the journal ends/m);
    await damaged.test.open();
    for (const shard of [0, 2]) assert.deepEqual(await takenFrom(damaged.test, shard, `q${shard}`), all());
    const left = await takenFrom(damaged.test, 1, 'q1');
    assert.deepEqual(left, all(left.length));
    await damaged.test.close();
  });

  it('says no damage of the files of a queue that was deleted since the snapshot of its shard', async () => {
    await using damaged = await Damaged.make();
    const snapshot = await keep(damaged.file(2, 'snapshot'));
    await damaged.test.open();
    await damaged.test.run(0, ({ commands }) =>
      commands.deleteQueue(damaged.test.vhost(0), 'q2', { ifUnused: false, ifEmpty: false }, null),
    );
    await damaged.test.close();
    // As if shard 2 had not taken another one before it ended.
    await rename(snapshot, damaged.file(2, 'snapshot'));
    await rm(join(damaged.test.directoryOf(2), 'logs', 'newest-snapshot'), { force: true });
    assert.doesNotMatch(await damaged.report(), /DAMAGED/);
    await damaged.test.open();
    await damaged.test.close();
  });

  describe('where shard 0 has lost what others know', () => {
    /**
     * A queue in shard 1 that only the journal of shard 0 has, which is damaged there: with whole blocks behind, or at its end, which then
     * looks as if a power cut had torn it.
     */
    async function makeLost(isAtEnd: boolean): Promise<Damaged> {
      const damaged = await Damaged.make();
      const snapshot = await keep(damaged.file(0, 'snapshot'));
      await damaged.test.open();
      const from = await endOf(join(damaged.directory, 'journal'));
      await damaged.test.declare(0, 'late', { arguments: { 'x-shard': 1 } });
      if (!isAtEnd) await damaged.fill(0, 'q0', 40);
      await damaged.fill(1, 'late', 100);
      await damaged.test.close();
      await rename(snapshot, damaged.file(0, 'snapshot'));
      await rm(join(damaged.directory, 'logs', 'newest-snapshot'), { force: true });
      await flip(from.path, from.at + 8);
      return damaged;
    }

    for (const isAtEnd of [false, true]) {
      it(`a cut lets all start, and no queue gets what another one had; ${isAtEnd ? 'torn' : 'damaged'}`, async () => {
        await using damaged = await makeLost(isAtEnd);
        await assert.rejects(damaged.test.open(), isAtEnd ? /shard 0 is older/ : /damaged/);
        await damaged.test.close();
        const text = await damaged.report();
        if (!isAtEnd) assert.match(text, /^shard 0: DAMAGED/m);
        assert.match(
          text,
          /^shard 1: DAMAGED: .*shard 0 has \d+ changes of the metadata, and this shard knows \d+ of them/m,
        );
        assert.match(text, /^shard 1: what is left of shard 0 does not name the queues of logs\/\d+: /m);
        const lines = (await damaged.repair()).join('\n');
        if (!isAtEnd) assert.match(lines, /^shard 0: cut: the journal ends/m);
        assert.match(
          lines,
          /^shard 1: cut: it takes the metadata of shard 0 as it is now; the next start deletes logs\/\d+$/m,
        );
        assert.doesNotMatch(await damaged.report(), /DAMAGED/);
        await damaged.test.open();
        assert.equal(damaged.test.vhost(0).findQueue('late'), undefined);
        const next = await damaged.test.declare(0, 'next', { arguments: { 'x-shard': 1 } });
        const logs = globSync('*', { cwd: join(damaged.test.directoryOf(1), 'logs') }).map(Number);
        assert.ok(logs.every((id) => Number.isNaN(id) || id < next.id));
        await damaged.test.restart();
        assert.deepEqual(await takenFrom(damaged.test, 1, 'next'), []);
        for (const shard of SHARDS)
          assert.deepEqual((await takenFrom(damaged.test, shard, `q${shard}`)).slice(0, MESSAGES), all());
        await damaged.test.close();
      });
    }

    it('--save keeps it under another name', async () => {
      await using damaged = await makeLost(true);
      // A start that is refused has deleted nothing.
      for (let i = 0; i < 2; i++) {
        await assert.rejects(damaged.test.open(), /shard 0 is older/);
        await damaged.test.close();
      }
      const { lines, saved } = await damaged.save();
      const [, name] = /^shard 1: saved: logs\/\d+: as queue '(.*?)'/m.exec(lines.join('\n')) ?? [];
      assert.match(name, /^recovered\.log-\d+$/);
      assert.deepEqual(await takenFrom(saved, 1, name), all(100));
      for (const shard of SHARDS) assert.deepEqual(await takenFrom(saved, shard, `q${shard}`), all());
      await saved.declare(0, 'next', { arguments: { 'x-shard': 1 } });
      await saved.restart();
      assert.equal(saved.vhost(1).findQueue('next')?.isRemote, false);
      await saved.close();
    });
  });

  describe('--save', () => {
    it('makes a directory with the same shards, and all that is in them', async () => {
      await using damaged = await Damaged.make();
      const { lines, saved } = await damaged.save();
      assert.deepEqual(lines, []);
      for (const shard of SHARDS) assert.deepEqual(await takenFrom(saved, shard, `q${shard}`), all());
      await saved.close();
    });

    it('saves what is before and behind damage of another shard', async () => {
      await using damaged = await Damaged.make();
      await flip(damaged.file(1, 'logs/*/*.log'), 20_000);
      await flip(damaged.file(2, 'journal/*.journal'), 3000);
      const { lines, saved } = await damaged.save();
      assert.match(lines.join('\n'), /^shard 1: lost: messages of queue 'q1'/m);
      assert.match(lines.join('\n'), /^shard 2: lost: blocks \d+ to \d+ of the journal/m);
      assert.deepEqual(await takenFrom(saved, 0, 'q0'), all());
      for (const shard of [1, 2]) {
        const left = await takenFrom(saved, shard, `q${shard}`);
        assert.ok(left.length > MESSAGES - 140 && left.length <= MESSAGES, `${left.length} are left`);
        assert.equal(left.at(-1), MESSAGES - 1);
      }
      await saved.close();
    });

    it('saves the queues of other shards without snapshot and journal of shard 0', async () => {
      await using damaged = await Damaged.make();
      await rm(damaged.file(0, 'snapshot'));
      await rm(join(damaged.directory, 'journal'), { recursive: true });
      const { saved } = await damaged.save();
      for (const shard of [1, 2]) {
        const names = saved
          .vhost(shard)
          .listQueues()
          .map(({ name }) => name);
        const [name] = names.filter((each) => saved.vhost(shard).findQueue(each)?.shard === shard);
        assert.deepEqual(await takenFrom(saved, shard, name), all());
      }
      await saved.close();
    });

    it('saves another shard without its snapshot', async () => {
      await using damaged = await Damaged.make();
      await rm(damaged.file(1, 'snapshot'));
      const { lines, saved } = await damaged.save();
      assert.match(lines.join('\n'), /^shard 1: the snapshot is missing/m);
      for (const shard of SHARDS) assert.deepEqual(await takenFrom(saved, shard, `q${shard}`), all());
      await saved.close();
    });
  });

  it('tells that the directory of a shard is missing, and which queues are in it', async () => {
    await using damaged = await Damaged.make();
    await rm(damaged.test.directoryOf(1), { recursive: true });
    assert.match(
      await damaged.report(),
      /^shard 1: DAMAGED: .*shards\/1\/snapshot.*missing.*\nshard 1: {3}affected: all messages of queue 'q1'/m,
    );
    assert.match((await damaged.repair()).join('\n'), /^shard 1: not cut: the snapshot is missing/m);
    await assert.rejects(damaged.test.open(), /1 queue is in shard 1, whose directory .*shards\/1' is empty/);
    await damaged.test.close();
    const { lines, saved } = await damaged.save();
    assert.match(lines.join('\n'), /^shard 1: the snapshot is missing/m);
    assert.deepEqual(await takenFrom(saved, 1, 'q1'), []);
    for (const shard of [0, 2]) assert.deepEqual(await takenFrom(saved, shard, `q${shard}`), all());
    await saved.close();
  });

  it('examines all shards, also when the directory of one is named, and ends with 1 for damage in any', async () => {
    await using damaged = await Damaged.make();
    await flip(damaged.file(1, 'logs/*/*.log'), 20_000);
    const doctor = async (
      ...words: string[]
    ): Promise<{ readonly status: number; readonly stdout: string }> => {
      const args = ['--disable-warning=ExperimentalWarning', MAIN, 'doctor', ...words];
      try {
        return { status: 0, stdout: (await promisify(execFile)(process.execPath, args)).stdout };
      } catch (error) {
        const { code, stdout } = error as { readonly code: number; readonly stdout: string };
        return { status: code, stdout };
      }
    };
    const found = await doctor('--data-dir', damaged.test.directoryOf(1));
    assert.equal(found.status, 1);
    assert.match(found.stdout, /is shard 1 of .*, all of which is examined\n/);
    assert.match(found.stdout, /^shard 1: DAMAGED: /m);
    assert.match(found.stdout, /^shard 0: no damage$/m);
    const cut = await doctor('--data-dir', damaged.directory, '--cut');
    assert.equal(cut.status, 0);
    assert.match(cut.stdout, /^shard 1: cut: /m);
  });
});

describe('a start with fewer shards than before', () => {
  it('is refused, and says which shards there are and what to do', async () => {
    await using damaged = await Damaged.make();
    const alone = { dataDirectory: damaged.directory, propertyCodecs: [amqp091Codec] };
    await assert.rejects(
      Broker.open(alone),
      /has data of shards 1, 2, and this start is with one shard.*Start with shards = 3.*doctor/s,
    );
    await assert.rejects(damaged.test.open(2), /has data of shard 2, and this start is with 2 shards/);
    await damaged.test.close();
    await damaged.test.open(3);
    for (const shard of SHARDS) assert.deepEqual(await takenFrom(damaged.test, shard, `q${shard}`), all());
    await damaged.test.close();
  });

  it('is refused by the queues that shard 0 knows there, where the directories were moved away', async () => {
    await using damaged = await Damaged.make();
    const shards = join(damaged.directory, 'shards');
    await rename(shards, `${shards}.away`);
    const alone = { dataDirectory: damaged.directory, propertyCodecs: [amqp091Codec] };
    await assert.rejects(
      Broker.open(alone),
      /queues are in shards 1, 2, and this start is with one shard: 'q1' in vhost '\/', 'q2' in vhost '\/'/,
    );
    await rename(`${shards}.away`, shards);
    await damaged.test.open(3);
    for (const shard of SHARDS) assert.deepEqual(await takenFrom(damaged.test, shard, `q${shard}`), all());
    await damaged.test.close();
  });

  it('is refused by what shard 0 received from another shard, where the directories were moved away', async () => {
    await using test = await TestShards.start(3, SMALL);
    const limited = { 'x-max-length': 1, 'x-dead-letter-exchange': '', 'x-dead-letter-routing-key': 'dead' };
    await test.declare(0, 'dead', { arguments: { 'x-shard': 0 } });
    await test.declare(0, 'limited', { arguments: { ...limited, 'x-shard': 2 } });
    const { shard, deadLettering } = test.brokers[2];
    const publisher = new Publisher(shard, deadLettering);
    const vhost = test.vhost(2);
    for (const body of ['1.', '2.']) {
      shard.turn.touch();
      fillView(publisher.messageView, 'limited', body);
      // Delivery mode 2: a dead letter is as persistent as its properties say.
      publisher.messageView.properties = Buffer.from([0x10, 0, 2]);
      publisher.messageView.propertiesEnd = 3;
      publisher.publish(vhost.route(vhost.defaultExchange, 'limited', bareMessage), true);
    }
    await until(() => asLocal(test.vhost(0).findQueue('dead'))?.readyCount === 1);
    await test.close();
    const shards = join(test.directoryOf(0), 'shards');
    await rename(shards, `${shards}.away`);
    await assert.rejects(
      Broker.open({ dataDirectory: test.directoryOf(0), propertyCodecs: [amqp091Codec] }),
      /messages are on their way to or from shard 2, and this start is without it.*Start with shards = 3/s,
    );
    await rename(`${shards}.away`, shards);
    await test.open(3);
    await until(() => asLocal(test.vhost(0).findQueue('dead'))?.readyCount === 1);
    assert.deepEqual(await takenFrom(test, 0, 'dead'), [1]);
    assert.deepEqual(await takenFrom(test, 2, 'limited'), [2]);
    await test.close();
  });
});

describe('a directory whose move to fewer shards was interrupted', () => {
  for (const step of [1, 2]) {
    it(`has no damage, and can be saved whole: at queue ${step} of 2`, async () => {
      await using damaged = await Damaged.make();
      await damaged.test.open();
      await damaged.test.declare(0, 'late', { arguments: { 'x-shard': 2, 'x-max-priority': 2 } });
      await damaged.fill(2, 'late');
      await damaged.test.close();
      const at = `moving queues out of shard 2: ${step} of 2`;
      await assert.rejects(damaged.test.move(2, SMALL, at), /stopped here/);
      assert.match(await damaged.report(), /no damage/);
      assert.ok((await damaged.inspect()).every(({ inspection }) => inspection.findings.length === 0));
      const { saved } = await damaged.save();
      for (const shard of SHARDS) {
        const queue = saved.vhost(0).findQueue(`q${shard}`);
        assert.deepEqual(await takenFrom(saved, queue?.shard ?? -1, `q${shard}`), all());
      }
      await saved.close();
      await damaged.test.move(2);
      await damaged.test.open(2);
      for (const name of ['q0', 'q1', 'q2', 'late']) {
        const shard = damaged.test.vhost(0).findQueue(name)?.shard ?? -1;
        assert.deepEqual(await takenFrom(damaged.test, shard, name), all());
      }
      await damaged.test.close();
      assert.match(await damaged.report(), /^shard 0: no damage$/m);
    });
  }
});

/** A copy beside the file. */
async function keep(path: string): Promise<string> {
  const { cp } = await import('node:fs/promises');
  await cp(path, `${path}.kept`);
  return `${path}.kept`;
}

/** Where the journal in this directory ends now. */
async function endOf(directory: string): Promise<{ readonly path: string; readonly at: number }> {
  const { readImage } = await import('../../../src/log/journal/journal-files-source.ts');
  const { scanBlocks } = await import('../../../src/log/journal/scan.ts');
  const name = globSync('*.journal', { cwd: directory }).sort().at(-1) as string;
  const path = join(directory, name);
  return { path, at: scanBlocks(await readImage(nodeFileSystem, path), true, -1, 0).end };
}
