import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { fileURLToPath } from 'node:url';
import type { ShardsOptions } from '../../../src/cli/broker-process/start.ts';
import { RawClient } from '../../servers/amqp091/raw-client.ts';
import { certificatePath } from '../../support/certificates.ts';
import { until } from '../../support/until.ts';

const PROGRAM = fileURLToPath(new URL('../../support/start-shards.ts', import.meta.url));
const LAUNCHER = fileURLToPath(new URL('../../../bin/sluice', import.meta.url));
const SHARDS = 3;
/** So many that one of three shards gets none once in two million runs. */
const MANY = 36;

interface Line {
  readonly shard?: number;
  readonly level: string;
  readonly msg: string;
  readonly [field: string]: unknown;
}

/** A broker of several shards in a process of its own. */
class Process {
  readonly child: ChildProcess;
  readonly exited: Promise<unknown[]>;
  readonly stdout: string[] = [];
  readonly directory: string;
  stderr = '';
  readonly #firstLine: Promise<unknown>;

  constructor(
    name: string,
    flags: readonly string[] = [],
    options: Partial<Record<keyof ShardsOptions, unknown>> = {},
  ) {
    this.directory = join(scratch, name);
    const words = ['--data-dir', this.directory, '--amqp-port', '0', '--kafka-port', 'off', ...flags];
    const given = JSON.stringify({ count: SHARDS, ...options });
    this.child = spawn(
      process.execPath,
      ['--disable-warning=ExperimentalWarning', PROGRAM, given, ...words],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    processes.push(this);
    this.exited = once(this.child, 'close');
    const lines = createInterface(this.child.stdout!);
    lines.on('line', (line) => this.stdout.push(line));
    this.#firstLine = Promise.race([once(lines, 'line'), this.exited]);
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
  }

  /** The port of this listener in the ready line. */
  async ready(protocol = 'amqp'): Promise<number> {
    await this.#firstLine;
    const port = new RegExp(`^sluice ready .*\\b${protocol}=127\\.0\\.0\\.1:(\\d+)`).exec(
      this.stdout[0] ?? '',
    )?.[1];
    assert.ok(port, `${this.stdout[0]}\n${this.stderr}`);
    return Number(port);
  }

  /** The lines of its log so far. Each of them is whole. */
  get log(): Line[] {
    const lines = this.stderr.split('\n').slice(0, -1);
    return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Line);
  }

  /** The shards that have written this. */
  shardsWith(message: string): number[] {
    const found = this.log.filter(({ msg }) => msg === message).map(({ shard }) => shard as number);
    return [...new Set(found)].sort();
  }

  /** The status, or the signal that ended it. */
  async stop(): Promise<unknown> {
    this.child.kill('SIGTERM');
    return await this.status();
  }

  async status(): Promise<unknown> {
    const [status, signal] = await this.exited;
    return status ?? signal;
  }
}

let scratch: string;
const processes: Process[] = [];
const sockets: { destroy(): void }[] = [];

before(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'sluice-shards-'));
});
after(async () => {
  for (const socket of sockets) socket.destroy();
  for (const { child } of processes) child.kill('SIGKILL');
  await Promise.all(processes.map((each) => each.exited));
  await rm(scratch, { recursive: true });
});

/** A connection whose handshake is done, with a channel. */
async function connected(port: number): Promise<RawClient> {
  const client = await RawClient.connect(port);
  sockets.push(client.socket);
  await client.handshake();
  client.method(1, { name: 'channel.open' });
  await client.expect('channel.open-ok');
  return client;
}

/** Has the shard of the connection write a line: nothing else tells a client where it is. */
async function failOnChannel(client: RawClient): Promise<void> {
  const flags = { passive: true, durable: false, exclusive: false, autoDelete: false, noWait: false };
  client.method(1, { name: 'queue.declare', queue: 'nowhere', ...flags, arguments: {} });
  await client.expect('channel.close');
}

async function connectedMany(port: number): Promise<RawClient[]> {
  const clients: RawClient[] = [];
  for (let i = 0; i < MANY; i++) clients.push(await connected(port));
  return clients;
}

async function serialNumber(port: number): Promise<string> {
  const socket = connectTls({ host: '127.0.0.1', port, rejectUnauthorized: false });
  await once(socket, 'secureConnect');
  const serial = socket.getPeerCertificate().serialNumber;
  socket.destroy();
  return serial;
}

describe('a process with three shards', { skip: process.platform === 'win32' }, () => {
  it('has all of them serve one port, says goodbye in all, and starts again with what it had', async () => {
    const first = new Process('orderly');
    const port = await first.ready();
    const clients = await connectedMany(port);
    for (const client of clients) await failOnChannel(client);
    await until(() => first.shardsWith('channel closed').length === SHARDS);
    assert.deepEqual(first.shardsWith('the journal was read'), [0, 1, 2]);

    const goodbyes = clients.map(async (client) => {
      await client.expect('connection.close');
      client.method(0, { name: 'connection.close-ok' });
    });
    assert.equal(await first.stop(), 0, first.stderr);
    await Promise.all(goodbyes);
    assert.equal(first.stdout.length, 1);
    const directories = [first.directory, ...[1, 2].map((n) => join(first.directory, 'shards', `${n}`))];
    for (const directory of directories) assert.ok(existsSync(join(directory, 'snapshot')), directory);
    assert.ok(!existsSync(join(first.directory, 'sluice.lock.holder')));

    const second = new Process('orderly');
    await connected(await second.ready());
    assert.equal(await second.stop(), 0, second.stderr);
  });

  it('has what is declared over one connection in all of them, also after a restart', async () => {
    const flags = { durable: true, exclusive: false, autoDelete: false, noWait: false, arguments: {} };
    const first = new Process('declared');
    const clients = await connectedMany(await first.ready());
    clients[0]?.method(1, { name: 'queue.declare', queue: 'q', passive: false, ...flags });
    await clients[0]?.expect('queue.declare-ok');
    for (const client of clients) {
      client.method(1, { name: 'queue.declare', queue: 'q', passive: true, ...flags });
      await client.expect('queue.declare-ok');
      client.socket.destroy();
    }
    assert.equal(await first.stop(), 0, first.stderr);

    const second = new Process('declared');
    for (const client of await connectedMany(await second.ready())) {
      client.method(1, { name: 'queue.declare', queue: 'q', passive: true, ...flags });
      await client.expect('queue.declare-ok');
      client.socket.destroy();
    }
    assert.equal(await second.stop(), 0, second.stderr);
  });

  it('serves one descriptor where the system has no other way, until the process ends', async () => {
    const broker = new Process('descriptor', [], { sharing: 'descriptor' });
    const port = await broker.ready();
    const clients = await connectedMany(port);
    for (const client of clients) await failOnChannel(client);
    await until(() => broker.shardsWith('channel closed').length >= 2);
    for (const { socket } of clients) socket.destroy();
    assert.equal(await broker.stop(), 0, broker.stderr);
  });

  it('counts connections in all of them against one limit', async () => {
    const broker = new Process('limit', ['--max-connections', '10']);
    const port = await broker.ready();
    const clients: RawClient[] = [];
    for (let i = 0; i < 10; i++) clients.push(await connected(port));
    for (let i = 0; i < 6; i++) await assert.rejects(connected(port));
    await until(() => broker.log.some(({ msg }) => msg === 'too many connections'));
    clients[0]?.socket.destroy();
    await until(async () => {
      try {
        clients.push(await connected(port));
        return true;
      } catch {
        return false;
      }
    });
    for (const { socket } of clients) socket.destroy();
    assert.equal(await broker.stop(), 0, broker.stderr);
  });

  it('blocks publishers in all of them when the process holds too much memory', async () => {
    const broker = new Process('memory', ['--memory-high-water-mark', '50MiB']);
    await broker.ready();
    await until(() => broker.shardsWith('publishers are blocked').length === SHARDS);
    const measured = broker.log.filter(({ residentBytes }) => residentBytes !== undefined);
    assert.deepEqual([...new Set(measured.map(({ shard }) => shard))], [0]);
    assert.equal(await broker.stop(), 0, broker.stderr);
  });

  it('has each of them read the certificate again on SIGHUP', async () => {
    const [cert, key] = [join(scratch, 'cert.pem'), join(scratch, 'key.pem')] as const;
    const use = async (name: string) => {
      await copyFile(certificatePath(`${name}.key`), key);
      await copyFile(certificatePath(`${name}.pem`), cert);
    };
    await use('server');
    const broker = new Process('tls', ['--amqps-port', '0', '--tls-cert', cert, '--tls-key', key]);
    const port = await broker.ready('amqps');
    const before = await serialNumber(port);
    await use('successor');
    broker.child.kill('SIGHUP');
    await until(() => broker.shardsWith('the TLS certificate was read again').length === SHARDS);
    for (let i = 0; i < MANY; i++) assert.notEqual(await serialNumber(port), before);
    assert.equal(await broker.stop(), 0, broker.stderr);
  });

  for (const [what, message] of [
    ['throw', 'thrown in a thread'],
    ['reject', 'rejected in a thread'],
  ] as const) {
    it(`ends as a whole when an error comes in one of them that nobody has caught: ${what}`, async () => {
      const broker = new Process(`failing-${what}`, [], { thread: './failing-shard-thread.ts' });
      await connectedMany(await broker.ready());
      await writeFile(`${broker.directory}.${what}`, '');
      assert.equal(await broker.status(), 1, broker.stderr);
      const fatal = broker.log.filter(({ level }) => level === 'fatal');
      assert.deepEqual(
        fatal.map(({ shard, msg, err }) => [shard, msg, (err as Error).message]),
        [[2, 'internal error', message]],
      );
    });
  }

  it('does not start if one of them cannot, says why in a line, and lets go of the directory', async () => {
    const first = new Process('damaged');
    await first.ready();
    assert.equal(await first.stop(), 0);
    const snapshot = join(first.directory, 'shards', '2', 'snapshot');
    const whole = join(scratch, 'whole');
    await copyFile(snapshot, whole);
    await writeFile(snapshot, 'scribble');
    const second = new Process('damaged');
    assert.equal(await second.status(), 1);
    assert.deepEqual(second.stdout, []);
    assert.match(second.stderr, /^sluice: .*\/shards\/2\/snapshot is damaged at byte 0: .*$/m);
    assert.doesNotMatch(second.stderr, /^ +at /m);
    await copyFile(whole, snapshot);
    const third = new Process('damaged');
    await third.ready();
    assert.equal(await third.stop(), 0);
  });

  it('does not share its port with another one, nor its directory', async () => {
    const first = new Process('port');
    const port = await first.ready();
    const second = new Process('other', ['--amqp-port', String(port)]);
    assert.equal(await second.status(), 1);
    assert.match(
      second.stderr,
      new RegExp(`^sluice: cannot listen for AMQP on 127.0.0.1:${port}: .* in use`, 'm'),
    );
    const third = new Process('port');
    assert.equal(await third.status(), 1);
    assert.match(third.stderr, /^sluice: The data directory .*port is in use by process/m);
    // It is administered as any other.
    const overview = spawnSync(LAUNCHER, ['overview', '--data-dir', first.directory], { encoding: 'utf8' });
    assert.equal(overview.status, 0, overview.stderr);
    assert.equal(await first.stop(), 0);
  });

  it('waits for peers that do not answer, and ends at once with a second signal', async () => {
    const broker = new Process('stuck');
    for (const client of await connectedMany(await broker.ready())) client.socket.pause();
    broker.child.kill('SIGTERM');
    await until(() => broker.log.some(({ msg }) => msg.startsWith('stopping')));
    broker.child.kill('SIGTERM');
    assert.equal(await broker.status(), 143);
  });
});
