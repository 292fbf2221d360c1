import assert from 'node:assert/strict';
import { chmod, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { ControlSocket, controlSocketPath } from '../../src/admin/control-socket.ts';
import { Broker } from '../../src/broker/broker.ts';
import { ask, serviceOf } from './test-admin.ts';

const options = { skip: process.platform === 'win32' };

async function inDirectory(use: (directory: string, broker: Broker) => Promise<void>): Promise<void> {
  const scratch = await mkdtemp(join(tmpdir(), 'sluice-control-'));
  const broker = await Broker.open({ dataDirectory: join(scratch, 'data') });
  try {
    await use(scratch, broker);
  } finally {
    await broker.close();
    await rm(scratch, { recursive: true, force: true });
  }
}

test('the control socket is for its owner alone, and goes when the broker does', options, () =>
  inDirectory(async (directory, broker) => {
    await chmod(directory, 0o777);
    const umask = process.umask(0);
    const socket = await ControlSocket.listen(directory, async () => serviceOf(broker).handle);
    process.umask(umask);
    assert.equal((await stat(socket.path)).mode & 0o777, 0o600);
    assert.equal(await controlSocketPath(directory), socket.path);
    assert.equal((await ask(socket.path, 'GET', '/api/overview')).body.product_version, '1.2.3');
    await socket.close();
    assert.deepEqual((await readdir(directory)).sort(), ['data']);
  }),
);

test('a socket that a killed broker left behind is replaced', options, () =>
  inDirectory(async (directory, broker) => {
    const left = createServer().listen(join(directory, 'other'));
    await new Promise((resolve) => left.once('listening', resolve));
    const { rename } = await import('node:fs/promises');
    await rename(join(directory, 'other'), join(directory, 'control.sock'));
    left.close();
    const socket = await ControlSocket.listen(directory, async () => serviceOf(broker).handle);
    assert.equal((await ask(socket.path, 'GET', '/api/users')).status, 200);
    await socket.close();
  }),
);

test('in a directory whose path is too long for a socket, one elsewhere is named', options, () =>
  inDirectory(async (scratch, broker) => {
    const directory = join(scratch, 'long'.repeat(30));
    await mkdir(directory);
    const socket = await ControlSocket.listen(directory, async () => serviceOf(broker).handle);
    assert.ok(socket.path.length < 100, socket.path);
    assert.equal((await stat(dirname(socket.path))).mode & 0o777, 0o700);
    assert.equal(await controlSocketPath(directory), socket.path);
    assert.equal((await ask(socket.path, 'GET', '/api/users')).status, 200);
    await socket.close();
    assert.deepEqual(await readdir(directory), []);
    await assert.rejects(stat(dirname(socket.path)));
  }),
);

test('a file that names a directory of somebody else does not lead to its removal', options, () =>
  inDirectory(async (directory, broker) => {
    const precious = join(directory, 'precious');
    await mkdir(precious);
    await writeFile(join(directory, 'control.path'), `${precious}/control.sock\n`);
    const socket = await ControlSocket.listen(directory, async () => serviceOf(broker).handle);
    assert.equal(await controlSocketPath(directory), join(directory, 'control.sock'));
    assert.ok((await readdir(directory)).includes('precious'));
    await socket.close();
  }),
);

test('who follows events does not keep the broker from closing', options, () =>
  inDirectory(async (directory, broker) => {
    const socket = await ControlSocket.listen(directory, async () => serviceOf(broker).handle);
    const following = ask(socket.path, 'GET', '/api/events').catch(() => null);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await socket.close();
    await following;
    await new Promise(setImmediate);
    assert.equal(broker.events.isHeard, false);
  }),
);
