import assert from 'node:assert/strict';
import { chmod, lstat, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ControlSocket } from '../../../src/admin/control-socket.ts';
import { Broker } from '../../../src/broker/broker.ts';
import { amqp091Codec } from '../../../src/servers/amqp091/property-codec.ts';

/** Path and mode, of the directory and of all that is in it. */
async function modesIn(path: string): Promise<[path: string, mode: string][]> {
  const stats = await lstat(path);
  const own: [string, string] = [path, (stats.mode & 0o777).toString(8)];
  if (!stats.isDirectory()) return [own];
  const names = await readdir(path);
  const inside = await Promise.all(names.map((name) => modesIn(join(path, name))));
  return [own, ...inside.flat()];
}

async function openToOthers(directory: string): Promise<string[]> {
  const modes = await modesIn(directory);
  return modes.filter(([, mode]) => !/^[67]00$/.test(mode)).map(([path, mode]) => `${path} ${mode}`);
}

/** A broker that has written to its journal and to segments of a stream. */
async function run(dataDirectory: string, warnings: string[] = []): Promise<void> {
  const log = { info() {}, warn: (_: object, message: string) => void warnings.push(message), error() {} };
  const broker = await Broker.open({ dataDirectory, propertyCodecs: [amqp091Codec], log });
  const control = await ControlSocket.listen(dataDirectory, async () => () => undefined);
  const vhost = broker.vhosts.get('/');
  assert.ok(vhost !== undefined);
  if (vhost.findStream('s') === undefined) {
    const args = { 'x-queue-type': 'stream' };
    vhost.declareStream({ name: 's', durable: true, exclusive: false, autoDelete: false, arguments: args });
  }
  await broker.shard.durable(broker.shard.metadataBlock);
  assert.deepEqual(await openToOthers(dataDirectory), []);
  await control.close();
  await broker.close();
}

describe('the files of the data directory', { skip: process.platform === 'win32' }, () => {
  it('are for the user alone whom the broker runs as, whatever the umask', async () => {
    const scratch = await mkdtemp(join(tmpdir(), 'sluice-private-'));
    const before = process.umask(0);
    try {
      await run(join(scratch, 'data'));
      assert.deepEqual(await openToOthers(join(scratch, 'data')), []);
    } finally {
      process.umask(before);
      await rm(scratch, { recursive: true });
    }
  });

  it('are closed to others at the start where an earlier version left them open, and the log says so', async () => {
    const scratch = await mkdtemp(join(tmpdir(), 'sluice-private-'));
    const data = join(scratch, 'data');
    try {
      await run(data);
      for (const [path, mode] of await modesIn(data)) {
        if (mode === '700') await chmod(path, 0o750);
        else await chmod(path, 0o640);
      }
      const warnings: string[] = [];
      await run(data, warnings);
      assert.equal(warnings.filter((each) => each.includes('were open to other users')).length, 1);
      const silent: string[] = [];
      await run(data, silent);
      assert.deepEqual(silent, []);
    } finally {
      await rm(scratch, { recursive: true });
    }
  });
});
