import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { globSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';

import { TestBroker } from '../../broker/test-broker.ts';

const LAUNCHER = fileURLToPath(new URL('../../../bin/sluice', import.meta.url));

/** A broker in a process of its own, as a user starts it. */
class Process {
  readonly child: ChildProcess;
  readonly exited: Promise<unknown[]>;
  readonly stdout: string[] = [];
  stderr = '';
  readonly #firstLine: Promise<unknown[]>;

  constructor(directory: string, ...flags: string[]) {
    const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith('SLUICE_'));
    this.child = spawn(
      LAUNCHER,
      ['start', '--data-dir', directory, '--amqp-port', '0', '--kafka-port', 'off', ...flags],
      {
        env: Object.fromEntries(inherited),
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    );
    this.exited = once(this.child, 'close');
    const lines = createInterface(this.child.stdout!);
    lines.on('line', (line) => this.stdout.push(line));
    this.#firstLine = Promise.race([once(lines, 'line'), this.exited]);
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
  }

  /** The ready line's `amqp` and `pid`. */
  async ready(): Promise<{ readonly host: string; readonly port: number; readonly pid: number }> {
    await this.#firstLine;
    const match = /^sluice ready amqp=(127\.0\.0\.1):(\d+) pid=(\d+)$/.exec(this.stdout[0] ?? '');
    assert.ok(match, `${this.stdout[0]}\n${this.stderr}`);
    return { host: match[1], port: Number(match[2]), pid: Number(match[3]) };
  }

  async status(): Promise<unknown> {
    const [status, signal] = await this.exited;
    return status ?? signal;
  }
}

let scratch: string;
const processes: Process[] = [];

function start(directory: string, ...flags: string[]): Process {
  const started = new Process(join(scratch, directory), ...flags);
  processes.push(started);
  return started;
}

before(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'sluice-start-'));
});
after(async () => {
  for (const { child } of processes) child.kill('SIGKILL');
  await Promise.all(processes.map((each) => each.exited));
  await rm(scratch, { recursive: true });
});

const AMQP_HEADER = Buffer.from('AMQP\0\0\x09\x01', 'latin1');

/** What an AMQP listener answers first. */
async function answerTo(port: number, bytes: Buffer): Promise<'connection.start' | 'a refusal' | 'nothing'> {
  const socket = connect(port, '127.0.0.1').on('error', () => undefined);
  socket.write(bytes);
  const answer: Buffer | null = await new Promise((resolve) => {
    socket.once('data', resolve);
    socket.once('close', () => resolve(null));
  });
  socket.destroy();
  if (answer === null) return 'nothing';
  return answer.equals(AMQP_HEADER) ? 'a refusal' : 'connection.start';
}

describe('sluice start', { skip: process.platform === 'win32' }, () => {
  it('prints one line, with its own pid, and ends with 0 on SIGTERM, the directory whole', async () => {
    const broker = start('orderly');
    const { pid } = await broker.ready();
    assert.equal(pid, broker.child.pid);
    broker.child.kill('SIGTERM');
    assert.equal(await broker.status(), 0, broker.stderr);
    assert.equal(broker.stdout.length, 1);
    assert.ok((await readdir(join(scratch, 'orderly'))).includes('snapshot'));
  });

  it('does not start on a directory that another one uses, until that one was killed', async () => {
    const first = start('locked');
    const { pid } = await first.ready();
    const second = start('locked');
    assert.equal(await second.status(), 1);
    assert.deepEqual(second.stdout, []);
    assert.match(
      second.stderr,
      new RegExp(`^sluice: The data directory .*locked is in use by process ${pid} .*\n$`),
    );

    first.child.kill('SIGKILL');
    await first.exited;
    await start('locked').ready();
  });

  it('takes the PROXY protocol from whom its settings name, and from nobody else', async () => {
    const header = Buffer.from('PROXY TCP4 192.0.2.1 192.0.2.2 1000 5672\r\n');
    for (const [proxies, withHeader, without] of [
      ['127.0.0.0/8', 'connection.start', 'nothing'],
      ['192.0.2.0/24', 'a refusal', 'connection.start'],
    ] as const) {
      const broker = start(`proxy-${withHeader}`, '--proxy-protocol-from', proxies);
      const { port } = await broker.ready();
      assert.equal(await answerTo(port, Buffer.concat([header, AMQP_HEADER])), withHeader);
      assert.equal(await answerTo(port, AMQP_HEADER), without);
      broker.child.kill('SIGTERM');
      assert.equal(await broker.status(), 0, broker.stderr);
    }
  });

  it('says which port is in use, in one line, and lets go of the directory', async () => {
    const occupant = createServer().listen(0, '127.0.0.1');
    await once(occupant, 'listening');
    const address = occupant.address();
    const port = typeof address === 'object' ? address!.port : 0;
    const broker = start('port', '--amqp-port', String(port));
    assert.equal(await broker.status(), 1);
    assert.match(
      broker.stderr,
      new RegExp(`^sluice: cannot listen for AMQP on 127.0.0.1:${port}: .*--amqp-port$`, 'm'),
    );
    assert.doesNotMatch(broker.stderr, /^ +at /m);
    occupant.close();
    await start('port').ready();
  });

  it('changes nothing in the directory where a port is in use, however often it is tried', async () => {
    const first = start('loop');
    await first.ready();
    first.child.kill('SIGTERM');
    await first.exited;
    const before = await digestOf(join(scratch, 'loop'));
    const occupant = createServer().listen(0, '127.0.0.1');
    await once(occupant, 'listening');
    const { port } = occupant.address() as AddressInfo;
    for (const flags of [
      ['--amqp-port', String(port)],
      ['--kafka-port', String(port)],
      ['--amqp-port', String(port)],
    ]) {
      assert.equal(await start('loop', ...flags).status(), 1);
    }
    occupant.close();
    assert.equal(await digestOf(join(scratch, 'loop')), before);
  });

  it('names the damaged file and the doctor, in one line', async () => {
    await start('damaged').ready();
    const broker = processes.at(-1)!;
    broker.child.kill('SIGTERM');
    await broker.exited;
    await writeFile(join(scratch, 'damaged', 'snapshot'), 'scribble');
    const again = start('damaged');
    assert.equal(await again.status(), 1);
    assert.match(again.stderr, /^sluice: .*\/damaged\/snapshot is damaged at byte 0: .*sluice doctor.*$/m);
    assert.doesNotMatch(again.stderr, /^ +at /m);
  });

  it('starts beside a segment that cannot be read, and names it to the doctor, who can cut it', async () => {
    const directory = await directoryWithSegments('unreadable');
    const [segment] = globSync(join(directory, 'logs', '*', '*.log'));
    await rm(segment!);
    await mkdir(segment!);
    const broker = start('unreadable');
    await broker.ready();
    broker.child.kill('SIGTERM');
    assert.equal(await broker.status(), 0, broker.stderr);
    const found = doctor(directory);
    assert.equal(found.status, 1);
    assert.match(
      found.stdout,
      new RegExp(`^DAMAGED: ${segment} at byte 0: it cannot be read \\(EISDIR\\)`, 'm'),
    );
    assert.equal(doctor(directory, '--cut').status, 0);
    await start('unreadable').ready();
  });

  it('deletes nothing where the snapshot and the journal are gone: it is refused, with what can be done', async () => {
    const directory = await directoryWithSegments('without-snapshot');
    await rm(join(directory, 'snapshot'));
    await rm(join(directory, 'journal'), { recursive: true });
    const segments = globSync(join(directory, 'logs', '*', '*'));
    const broker = start('without-snapshot');
    assert.equal(await broker.status(), 1);
    assert.match(
      broker.stderr,
      /^sluice: the file `snapshot` is missing in '.*Nothing was deleted or changed\..* mv '/m,
    );
    for (const found of [doctor(directory), doctor(directory, '--cut')]) {
      assert.equal(found.status, 1);
      assert.match(found.stdout, /snapshot at byte 0: the file is missing/);
      assert.doesNotMatch(found.stdout, /no damage/);
    }
    assert.deepEqual(globSync(join(directory, 'logs', '*', '*')), segments);
    // As the message says.
    const [, command] = /`(mkdir .*)`/.exec(broker.stderr)!;
    assert.equal(spawnSync('sh', ['-c', command!]).status, 0);
    await start('without-snapshot').ready();
  });
});

/** Names, times of change and contents of all files. */
async function digestOf(directory: string): Promise<string> {
  const hash = createHash('sha256');
  for (const name of globSync('**/*', { cwd: directory }).sort()) {
    const { mtimeMs, size } = await stat(join(directory, name));
    hash.update(`${name} ${mtimeMs} ${size}`);
  }
  return hash.digest('hex');
}

function doctor(directory: string, ...flags: string[]) {
  return spawnSync(LAUNCHER, ['doctor', '--data-dir', directory, ...flags], { encoding: 'utf8' });
}

/** As a broker leaves it that was stopped in order, with a queue whose messages are mostly in segments. */
async function directoryWithSegments(name: string): Promise<string> {
  const test = await TestBroker.start({ memoryLimitBytes: 64 * 1024, chunkBytes: 16 * 1024 });
  const queue = test.queue('q');
  for (let i = 0; i < 400; i++) test.publish('q', `${i}`.padEnd(1000, '.'));
  await test.flush();
  while ((queue.log.segments?.bytes ?? 0) < 200_000) await new Promise((resolve) => setTimeout(resolve, 5));
  await test.broker.close();
  await cp(test.directory, join(scratch, name), { recursive: true });
  await rm(join(test.directory, '..'), { recursive: true });
  return join(scratch, name);
}
