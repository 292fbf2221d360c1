import assert from 'node:assert/strict';
import { globSync, readdirSync } from 'node:fs';
import { cp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { BrokerOptions } from '../../src/broker/broker.ts';
import { renderInspection } from '../../src/cli/doctor/doctor-command.ts';
import { Inspector } from '../../src/cli/doctor/inspection.ts';
import { repairAll } from '../../src/cli/doctor/repair.ts';
import { nodeFileSystem } from '../../src/log/files/node-filesystem.ts';
import { until } from '../support/until.ts';
import { TestBroker } from './test-broker.ts';

const KIB = 1024;
const MESSAGES = 400;

class Directory {
  readonly warnings: string[] = [];
  test!: TestBroker;

  /** Two queues with most of their messages in segments; a journal the beginning of which was retired; stopped in order. */
  static async make(options: Partial<BrokerOptions> = {}): Promise<Directory> {
    const made = new Directory();
    made.test = await TestBroker.start({
      memoryLimitBytes: 64 * KIB,
      chunkBytes: 16 * KIB,
      segmentBytes: 128 * KIB,
      journalFileBytes: 64 * KIB,
      journalLimitBytes: 128 * KIB,
      log: {
        info: () => undefined,
        warn: (_fields, message) => made.warnings.push(message),
        error: () => undefined,
      },
      ...options,
    });
    await made.fill('a');
    await made.fill('b');
    await made.test.broker.close();
    return made;
  }

  async fill(name: string, persistent = true): Promise<void> {
    const queue = this.test.queue(name);
    for (let i = 0; i < MESSAGES; i++) {
      this.test.publish(name, `${i}`.padEnd(1000, '.'), persistent);
      if (i % 50 === 0) await this.test.flush();
    }
    await this.test.flush();
    await until(() => (queue.log.segments?.bytes ?? 0) > 200_000);
  }

  path(...names: string[]): string {
    return join(this.test.directory, ...names);
  }

  segments(): string[] {
    return globSync('logs/*/*', { cwd: this.test.directory }).sort();
  }

  logs(): string[] {
    return readdirSync(this.path('logs')).filter((name) => name !== 'newest-snapshot');
  }

  inspect() {
    return new Inspector(nodeFileSystem, this.test.directory).inspect();
  }

  /** The start is refused, in words that match, and changes no segment. */
  async assertRefused(words: RegExp): Promise<void> {
    const before = this.segments();
    assert.ok(before.length > 2);
    for (let i = 0; i < 2; i++)
      await assert.rejects(this.test.open(), (error: Error) => words.test(error.message));
    assert.deepEqual(this.segments(), before);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(join(this.test.directory, '..'), { recursive: true, force: true });
  }
}

describe('a data directory without its snapshot', () => {
  it('is not started on: the snapshot is named, and what to do, and no segment is deleted', async () => {
    await using directory = await Directory.make();
    await rm(directory.path('snapshot'));
    assert.ok(!readdirSync(directory.path('journal')).includes('0000000001.journal'));
    await directory.assertRefused(
      /the file `snapshot` is missing in '.*data'.*Nothing was deleted.*sluice doctor --data-dir.*mv /,
    );
  });

  it('is not called whole by the doctor, whose cut leaves it as it is', async () => {
    await using directory = await Directory.make();
    await rm(directory.path('snapshot'));
    const inspection = await directory.inspect();
    const text = renderInspection(inspection);
    assert.match(text, /DAMAGED: .*\/snapshot at byte 0: the file is missing/);
    assert.doesNotMatch(text, /no damage|\.journal/);
    const journal = readdirSync(directory.path('journal'));
    assert.match(
      (await repairAll(nodeFileSystem, directory.test.directory, inspection)).join(),
      /^not cut: the snapshot is missing/,
    );
    assert.deepEqual(readdirSync(directory.path('journal')), journal);
    await directory.assertRefused(/snapshot/);
  });

  it('is not started on, nor called whole, if the journal is gone as well', async () => {
    await using directory = await Directory.make();
    await rm(directory.path('snapshot'));
    await rm(directory.path('journal'), { recursive: true });
    assert.match(renderInspection(await directory.inspect()), /\/snapshot at byte 0: the file is missing/);
    await directory.assertRefused(/there is no journal either/);
    assert.match(renderInspection(await directory.inspect()), /\/snapshot at byte 0: the file is missing/);
  });

  it('is started on if the journal is there from its beginning', async () => {
    await using directory = await Directory.make({ journalLimitBytes: 1024 * 1024 * KIB });
    await rm(directory.path('snapshot'));
    assert.doesNotMatch(renderInspection(await directory.inspect()), /DAMAGED/);
    await directory.test.open();
    assert.equal(directory.test.queue('a').readyCount, MESSAGES);
    await directory.test.broker.close();
  });
});

describe('a snapshot that is older than the segments', () => {
  it('is not started on, and is named, as what it does not know would be lost', async () => {
    await using directory = await Directory.make();
    const older = directory.path('..', 'older');
    await cp(directory.path('snapshot'), older);
    await directory.test.open();
    await directory.fill('a');
    await directory.test.broker.close();
    await cp(older, directory.path('snapshot'));
    await directory.assertRefused(
      /it is older than the segments in logs\/: it was taken at block \d+, and they/,
    );
    assert.match(renderInspection(await directory.inspect()), /DAMAGED: .*snapshot at byte 0: it is older/);
  });
});

describe('segments that neither the snapshot nor the journal names', () => {
  it('keep a broker that never had a queue, and was stopped in order, from starting', async () => {
    await using directory = await Directory.make();
    await rename(directory.path(), directory.path('..', 'old'));
    await directory.test.open();
    await directory.test.broker.close();
    await cp(directory.path('..', 'old', 'logs'), directory.path('logs'), { recursive: true });
    await directory.assertRefused(/it is older than the segments in logs/);
    await rm(directory.path('logs', 'newest-snapshot'));
    assert.match(renderInspection(await directory.inspect()), /DAMAGED/);
    await directory.assertRefused(/neither the snapshot nor the journal names any log/);
  });

  it('are set aside, whole logs and files of a known log, counted and named', async () => {
    await using directory = await Directory.make();
    const [first] = directory.segments();
    await cp(directory.path('logs', '1'), directory.path('logs', '77'), { recursive: true });
    await cp(directory.path(first!), directory.path(first!, '..', '00000000000000009000.log'));
    assert.match(
      renderInspection(await directory.inspect()),
      /segments in logs\/77 are: neither.*\nno damage/,
    );
    await directory.test.open();
    assert.match(
      directory.warnings.join('\n'),
      /segments of 1 logs .* were set aside: .*set-aside\/logs-77;/,
    );
    // The directory of a log is looked at when the log is used.
    await directory.fill('a');
    await directory.fill('b');
    assert.match(
      directory.warnings.join('\n'),
      /was set aside: .*set-aside\/logs-\d-00000000000000009000\.log/,
    );
    await directory.test.restart();
    assert.match(
      directory.warnings.join('\n'),
      /2 files or directories that were set aside by earlier starts, \d+ bytes.*--empty-set-aside/,
    );
    assert.deepEqual(readdirSync(directory.path('set-aside')).length, 2);
    assert.ok(readdirSync(directory.path('set-aside', 'logs-77')).length > 1);
    await directory.test.broker.close();
  });

  it('are deleted if their queue was: before an orderly stop, before a crash, or as it was a transient one', async () => {
    await using directory = await Directory.make();
    const { test } = directory;
    const copy = directory.path('..', 'copy');
    await test.open();
    const vhost = test.broker.vhosts.get('/')!;
    const transient = test.queue('t', { durable: false });
    for (let i = 0; i < MESSAGES; i++) test.publish('t', `${i}`.padEnd(1000, '.'));
    await test.flush();
    await until(() => (transient.log.segments?.bytes ?? 0) > 200_000);
    // As a crash leaves it, before the files of the deleted queue have gone: they may do so at any time.
    await copyDirectory(directory.path(), copy);
    vhost.removeQueue(test.queue('b'));
    await test.flush();
    await copyDirectory(directory.path('journal'), `${copy}/journal`);
    await test.broker.close();
    await test.open();
    await until(() => directory.logs().join() === '1');
    await test.broker.close();
    await rm(directory.path(), { recursive: true });
    await rename(copy, directory.path());
    await test.open();
    await until(() => directory.logs().join() === '1');
    await test.broker.close();
    assert.ok(!readdirSync(directory.path()).includes('set-aside'));
    assert.deepEqual(
      directory.warnings.filter((text) => text.includes('aside')),
      [],
    );
  });
});

/** Of a directory in which files come and go. */
async function copyDirectory(from: string, to: string): Promise<void> {
  for (;;) {
    await rm(to, { recursive: true, force: true });
    try {
      await cp(from, to, { recursive: true });
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
}
