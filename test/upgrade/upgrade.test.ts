import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Broker } from './broker.ts';
import { fillDirectory, type Written } from './fill.ts';
import { extractSource, PRESENT_SOURCE, reasonToSkip } from './old-source.ts';
import { verifyAgain, verifyDirectory } from './verify.ts';

/** The source that writes the directory. A later one is named here when its files are to be read for as long. */
const EARLIER_COMMIT = 'dfbd8d2';

const reason = reasonToSkip(EARLIER_COMMIT);

describe(`a data directory that ${EARLIER_COMMIT} has written`, { skip: reason ?? false }, () => {
  const root = mkdtempSync(join(tmpdir(), 'sluice-upgrade-'));
  const killed = join(root, 'killed');
  const stopped = join(root, 'stopped');
  const brokers: Broker[] = [];
  let written: Written;

  async function start(source: string, directory: string): Promise<Broker> {
    const broker = await Broker.start(source, directory);
    brokers.push(broker);
    return broker;
  }

  before(async () => {
    const source = join(root, 'earlier');
    extractSource(EARLIER_COMMIT, source);
    const broker = await start(source, stopped);
    written = await fillDirectory(broker);
    // What a process leaves that is killed now: one that stands still writes nothing more.
    broker.signal('SIGSTOP');
    cpSync(stopped, killed, { recursive: true, filter: (path) => !path.includes('control.') });
    broker.signal('SIGCONT');
    assert.equal(await broker.end('SIGTERM'), 0, broker.log);
    await written.disconnect();
  });

  after(async () => {
    // Where a test has failed they run still.
    await Promise.all(brokers.filter(({ hasEnded }) => !hasEnded).map((broker) => broker.end('SIGKILL')));
    rmSync(root, { recursive: true, force: true });
  });

  for (const [title, directory, isAfterCrash] of [
    ['is opened with all that is in it after a kill', killed, true],
    ['is opened with all that is in it after an orderly stop', stopped, false],
  ] as const) {
    test(title, async () => {
      const first = await start(PRESENT_SOURCE, directory);
      const left = await verifyDirectory(first, written, isAfterCrash);
      assert.equal(await first.end('SIGTERM'), 0, first.log);
      const second = await start(PRESENT_SOURCE, directory);
      await verifyAgain(second, left);
      assert.equal(await second.end('SIGTERM'), 0, second.log);
    });
  }
});
