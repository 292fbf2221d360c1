import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Broker, type Sizes } from './broker.ts';
import { fillDirectory, type Written } from './fill.ts';
import { extractSource, PRESENT_SOURCE, reasonToSkip } from './old-source.ts';
import { verifyAgain, verifyDirectory } from './verify.ts';

/** The source that writes the directory. A later one is named here when its files are to be read for as long. */
const EARLIER_COMMIT = 'dfbd8d2';

const reason = reasonToSkip(EARLIER_COMMIT);

interface Directory {
  readonly path: string;
  readonly sizes: Sizes;
  readonly written: Written;
}

describe(`a data directory that ${EARLIER_COMMIT} has written`, {
  skip: reason ?? false,
  concurrency: 3,
}, () => {
  const root = mkdtempSync(join(tmpdir(), 'sluice-upgrade-'));
  const brokers: Broker[] = [];
  const directories = new Map<string, Directory>();

  async function start(source: string, directory: string, sizes: Sizes): Promise<Broker> {
    const broker = await Broker.start(source, directory, sizes);
    brokers.push(broker);
    return broker;
  }

  /** Fills a directory, and copies it as a broker that is killed leaves it: one that stands still writes nothing more. */
  async function write(source: string, sizes: Sizes): Promise<void> {
    const path = join(root, sizes);
    const killed = `${path}-killed`;
    const broker = await start(source, path, sizes);
    const written = await fillDirectory(broker, sizes);
    broker.signal('SIGSTOP');
    await cp(path, killed, { recursive: true, filter: (each) => !each.includes('control.') });
    broker.signal('SIGCONT');
    assert.equal(await broker.end('SIGTERM'), 0, broker.log);
    await written.disconnect();
    directories.set(`${sizes}, stopped`, { path, sizes, written });
    directories.set(`${sizes}, killed`, { path: killed, sizes, written });
  }

  before(async () => {
    const source = join(root, 'earlier');
    extractSource(EARLIER_COMMIT, source);
    await Promise.all([write(source, 'large'), write(source, 'small')]);
  });

  after(async () => {
    // Where a test has failed they run still.
    await Promise.all(brokers.filter(({ hasEnded }) => !hasEnded).map((broker) => broker.end('SIGKILL')));
    rmSync(root, { recursive: true, force: true });
  });

  async function verify(name: string): Promise<void> {
    const { path, sizes, written } = directories.get(name)!;
    const first = await start(PRESENT_SOURCE, path, sizes);
    const left = await verifyDirectory(first, written, name.endsWith('killed'));
    assert.equal(await first.end('SIGTERM'), 0, first.log);
    const second = await start(PRESENT_SOURCE, path, sizes);
    await verifyAgain(second, left);
    assert.equal(await second.end('SIGTERM'), 0, second.log);
  }

  test('is opened with all that is in it after a kill, from the journal alone', async () => {
    const { path } = directories.get('large, killed')!;
    assert.ok(!existsSync(join(path, 'snapshot')), 'no snapshot has been taken');
    await verify('large, killed');
  });
  test('is opened with all that is in it after a kill, from snapshot, segments and journal', async () => {
    await verify('small, killed');
  });
  test('is opened with all that is in it after an orderly stop', async () => {
    await verify('small, stopped');
  });
});
