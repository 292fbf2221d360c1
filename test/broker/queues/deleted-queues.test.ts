import assert from 'node:assert/strict';
import { globSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { Queue } from '../../../src/broker/queues/queue.ts';
import type { FileSystem } from '../../../src/log/files/filesystem.ts';
import { nodeFileSystem } from '../../../src/log/files/node-filesystem.ts';
import { until } from '../../support/until.ts';
import { TestBroker } from '../test-broker.ts';

const KIB = 1024;
const COUNT = 200;

const LIMITS = { memoryLimitBytes: 64 * KIB, chunkBytes: 16 * KIB, reclaimMs: 10 };
const CONDITIONS = { ifUnused: false, ifEmpty: false };

/** A queue of which most is in segments. */
async function paged(test: TestBroker, name: string): Promise<Queue> {
  const queue = test.queue(name);
  for (let i = 0; i < 400; i++) test.publish(name, `${i}`.padEnd(1000, '.'));
  await test.flush();
  await until(() => (queue.log.segments?.bytes ?? 0) > 100_000);
  return queue;
}

function directoriesOf(test: TestBroker): string[] {
  return globSync(join(test.directory, 'logs', '[0-9]*'));
}

/** Notes what is removed of the logs. */
function noting(removed: string[]): FileSystem {
  return {
    ...nodeFileSystem,
    remove(path) {
      if (path.includes('/logs/')) removed.push(path);
      return nodeFileSystem.remove(path);
    },
  };
}

describe('queues that are deleted', () => {
  it('are gone at once, and no file is looked for, if they never had one', async () => {
    const removed: string[] = [];
    await using test = await TestBroker.start({ fileSystem: noting(removed), ...LIMITS });
    const vhost = test.broker.vhosts.get('/');
    for (let i = 0; i < COUNT; i++) {
      test.queue(`q${i}`, { durable: i % 2 === 0 });
      test.publish(`q${i}`, 'message');
      vhost?.deleteQueue(`q${i}`, CONDITIONS, null);
    }
    // One that has files is the last.
    const { id } = await paged(test, 'last');
    vhost?.deleteQueue('last', CONDITIONS, null);
    await until(() => removed.length > 0 && directoriesOf(test).length === 0);
    assert.deepEqual(
      removed.filter((path) => !path.includes(`/logs/${id}`)),
      [],
    );
    await test.restart();
    assert.deepEqual([...(test.broker.vhosts.get('/')?.queues() ?? [])], []);
  });

  it('lose their files, if they had some, and those that came with a start too', async () => {
    await using test = await TestBroker.start(LIMITS);
    for (const name of ['now', 'later']) await paged(test, name);
    assert.equal(directoriesOf(test).length, 2);
    test.broker.vhosts.get('/')?.deleteQueue('now', CONDITIONS, null);
    await until(() => directoriesOf(test).length === 1);
    await test.restart();
    test.broker.vhosts.get('/')?.deleteQueue('later', CONDITIONS, null);
    await until(() => directoriesOf(test).length === 0);
  });
});
