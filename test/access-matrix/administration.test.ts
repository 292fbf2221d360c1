import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { chmod, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type ChannelModel, connect } from 'amqplib';
import type { Command } from 'commander';
import { routes } from '../../src/admin/api/routes.ts';
import { Router } from '../../src/admin/router.ts';
import { TestAdmin } from '../admin/test-admin.ts';
import { ADMINISTRATION, type AdminOperation, LOGINS } from './administration.ts';
import { AMQP_OPERATIONS } from './amqp-operations.ts';
import { askSocket, type SocketOutcome, type SocketRequest } from './ask-socket.ts';
import { KAFKA_NEEDS } from './kafka-needs.ts';

const COMMANDS = fileURLToPath(new URL('../../src/cli/admin/', import.meta.url));
const ASK = fileURLToPath(new URL('./ask-socket.ts', import.meta.url));
const NOBODY = 65_534;

/** The names of all subcommands, such as `queues list`. */
async function commandNames(): Promise<string[]> {
  const names: string[] = [];
  for (const file of readdirSync(COMMANDS)) {
    const exported: { readonly [name: string]: unknown } = await import(`${COMMANDS}${file}`);
    for (const [name, make] of Object.entries(exported)) {
      // `adminCommand` and the like make commands for these.
      if (!name.endsWith('Command') || typeof make !== 'function' || make.length > 0) continue;
      const made = make() as Command;
      if (made.commands.length === 0) names.push(made.name());
      for (const each of made.commands) names.push(`${made.name()} ${each.name()}`);
    }
  }
  return names;
}

/** What others may do with the socket, tried as one of them: by nobody, or by ourselves with no more than their rights. */
async function askAsAnother(path: string, requests: readonly SocketRequest[]): Promise<SocketOutcome[]> {
  const isRoot = process.getuid?.() === 0;
  const { mode } = await stat(path);
  if (!isRoot) await chmod(path, (mode & 0o7) << 6);
  const child = spawn(process.execPath, [ASK], {
    stdio: ['pipe', 'pipe', 'inherit'],
    ...(isRoot ? { uid: NOBODY, gid: NOBODY } : {}),
  });
  child.stdin.end(JSON.stringify([path, JSON.stringify(requests)]));
  const outcomes = JSON.parse(await text(child.stdout)) as SocketOutcome[];
  await chmod(path, mode & 0o777);
  return outcomes;
}

/** With the names of a client's connection and channel. */
async function prepared(admin: TestAdmin): Promise<{ model: ChannelModel; requests: SocketRequest[] }> {
  const model = await connect(`amqp://guest:guest@127.0.0.1:${admin.server.port}`);
  model.on('error', () => undefined);
  await model.createChannel();
  const [channel] = (await admin.ask('GET', '/api/channels')).items;
  const [connection] = (await admin.ask('GET', '/api/connections')).items;
  const named = (path: string): string =>
    path
      .replace('{connection}', encodeURIComponent(String(connection.name)))
      .replace('{channel}', encodeURIComponent(String(channel.name)));
  const requests = ADMINISTRATION.map(({ method, path, body }: AdminOperation): SocketRequest => {
    return { method, path: named(path), ...(body === undefined ? {} : { body }) };
  });
  return { model, requests };
}

describe('the administration of the broker', { skip: process.platform === 'win32' }, () => {
  it('is in the matrix with every route of the HTTP API and every command', async () => {
    const router = new Router(routes);
    const asked = ADMINISTRATION.map(({ method, path }) => {
      const { route } = router.find(method, path.replace(/\?.*/, ''));
      return `${method} ${route.path}`;
    });
    const served = routes.map(({ method, path }) => `${method} ${path}`);
    assert.deepEqual([...new Set(asked)].sort(), served.sort());
    const commands = ADMINISTRATION.flatMap(({ command }) => command ?? []);
    assert.deepEqual([...new Set(commands)].sort(), (await commandNames()).sort());
  });

  it('names only what is in the other tables as what clients have for the same', () => {
    const known = new Set([...Object.keys(KAFKA_NEEDS), ...AMQP_OPERATIONS.map(({ name }) => name)]);
    for (const { like } of ADMINISTRATION) if (like !== undefined) assert.ok(known.has(like), like);
  });

  it('is for the user of the system whom the broker runs as', async () => {
    await using admin = await TestAdmin.start();
    const { model, requests } = await prepared(admin);
    const outcomes = await askSocket(admin.socket.path, requests);
    const refused = requests.flatMap(({ method, path }, index) =>
      Number(outcomes[index]) < 300 ? [] : [`${method} ${path}: ${outcomes[index]}`],
    );
    assert.deepEqual(refused, []);
    await model.close().catch(() => undefined);
  });

  it('is for no other user of the system, whatever the tags of the user as whom it logs in', async () => {
    await using admin = await TestAdmin.start();
    const { administration } = admin.broker.access;
    for (const [name, tags] of LOGINS) await administration.addUser(name, name, tags);
    const { model, requests } = await prepared(admin);
    // The rights of the socket alone are what is asked.
    const data = dirname(admin.socket.path);
    await chmod(data, 0o755);
    await chmod(dirname(data), 0o755);
    const tried = LOGINS.flatMap(([user]) => requests.map((each) => ({ ...each, user })));
    const outcomes = await askAsAnother(admin.socket.path, tried);
    const done = tried.flatMap(({ user, method, path }, index) =>
      outcomes[index] === 'EACCES' ? [] : [`${user}: ${method} ${path}: ${outcomes[index]}`],
    );
    assert.deepEqual(done, []);
    assert.equal(outcomes.length, tried.length);
    await model.close();
  });
});
