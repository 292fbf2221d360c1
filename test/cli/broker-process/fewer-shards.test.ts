import assert from 'node:assert/strict';
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type ConfirmChannel, connect } from 'amqplib';

const LAUNCHER = fileURLToPath(new URL('../../../bin/sluice', import.meta.url));
const QUEUES = 9;
const MESSAGES = 300;

let scratch: string;
const processes: ChildProcess[] = [];

before(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'sluice-fewer-'));
});
after(async () => {
  for (const child of processes) child.kill('SIGKILL');
  await rm(scratch, { recursive: true, force: true });
});

interface Started {
  readonly child: ChildProcess;
  /** Of the ready line. */
  readonly port: number;
  readonly exited: Promise<unknown[]>;
  log(): string;
}

/** `sluice start` as users have it. */
async function start(directory: string, shards: number, ...flags: string[]): Promise<Started> {
  const words = ['start', '--data-dir', directory, '--amqp-port', '0', '--kafka-port', 'off'];
  const child = spawn(LAUNCHER, [...words, '--shards', `${shards}`, ...flags], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  processes.push(child);
  let stderr = '';
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  const exited = once(child, 'close');
  const lines = createInterface(child.stdout as NodeJS.ReadableStream);
  const [line] = (await Promise.race([once(lines, 'line'), exited])) as [unknown];
  const port = /^sluice ready .*\bamqp=127\.0\.0\.1:(\d+)/.exec(String(line))?.[1];
  assert.ok(port, `${line}\n${stderr}`);
  return { child, port: Number(port), exited, log: () => stderr };
}

async function stop({ child, exited, log }: Started): Promise<void> {
  child.kill('SIGTERM');
  assert.deepEqual(await exited, [0, null], log());
}

async function withChannel<T>({ port }: Started, use: (channel: ConfirmChannel) => Promise<T>): Promise<T> {
  const connection = await connect(`amqp://127.0.0.1:${port}`);
  try {
    return await use(await connection.createConfirmChannel());
  } finally {
    await connection.close();
  }
}

async function publishAll(channel: ConfirmChannel): Promise<void> {
  for (let q = 0; q < QUEUES; q++) {
    const options = {
      durable: true,
      arguments: { 'x-shard': q, ...(q % 2 === 0 && { 'x-max-priority': 3 }) },
    };
    await channel.assertQueue(`q${q}`, options);
    await channel.bindQueue(`q${q}`, 'amq.fanout', '');
    for (let i = 0; i < MESSAGES; i++) {
      const body = Buffer.from(`${i}.`.padEnd(4000, '.'));
      channel.sendToQueue(`q${q}`, body, { persistent: true, priority: i % 2 });
    }
  }
  await channel.waitForConfirms();
}

/** The numbers of the messages that a queue has, in the order in which it gives them. */
async function takeAll(channel: ConfirmChannel, queue: string): Promise<number[]> {
  const found: number[] = [];
  for (;;) {
    const message = await channel.get(queue, { noAck: true });
    if (message === false) return found;
    found.push(Number.parseInt(message.content.toString(), 10));
  }
}

function wanted(q: number): number[] {
  const all = Array.from({ length: MESSAGES }, (_, i) => i);
  return q % 2 === 0 ? [...all.filter((i) => i % 2 === 1), ...all.filter((i) => i % 2 === 0)] : all;
}

describe('sluice start with fewer shards than before', {
  skip: process.platform === 'win32',
  timeout: 120_000,
}, () => {
  it('has all queues with all messages in the shards that remain, and says that it moved them', async () => {
    const directory = join(scratch, 'orderly');
    // Little memory: most of the messages are in segments.
    const first = await start(directory, 3, '--memory-limit', '8MiB');
    await withChannel(first, publishAll);
    await stop(first);

    const second = await start(directory, 1);
    assert.match(second.log(), /moving what is in shards that go away to the others/);
    assert.match(second.log(), /"moved":6,"of":6.*queues were moved out of shards that go away/);
    for (const shard of ['1', '2']) assert.ok(!existsSync(join(directory, 'shards', shard)));
    await withChannel(second, async (channel) => {
      for (let q = 0; q < QUEUES; q++) assert.deepEqual(await takeAll(channel, `q${q}`), wanted(q));
      channel.publish('amq.fanout', '', Buffer.from('7'), { persistent: true });
      await channel.waitForConfirms();
    });
    await stop(second);
    const doctor = spawnSync(LAUNCHER, ['doctor', '--data-dir', directory], { encoding: 'utf8' });
    assert.equal(doctor.status, 0, doctor.stdout);

    const third = await start(directory, 2);
    await withChannel(third, async (channel) => {
      for (let q = 0; q < QUEUES; q++) assert.deepEqual(await takeAll(channel, `q${q}`), [7]);
    });
    await stop(third);
  });

  it('serves with several threads afterwards, where more than one remain', async () => {
    const directory = join(scratch, 'several');
    const first = await start(directory, 3);
    await withChannel(first, publishAll);
    await stop(first);
    const second = await start(directory, 2);
    assert.match(second.log(), /"moved":3,"of":3/);
    assert.ok(existsSync(join(directory, 'shards', '1')));
    assert.ok(!existsSync(join(directory, 'shards', '2')));
    for (let q = 0; q < QUEUES; q++) {
      const found = await withChannel(second, (channel) => takeAll(channel, `q${q}`));
      assert.deepEqual(found, wanted(q));
    }
    await stop(second);
  });

  it('goes on where it was when it is killed while it moves', async () => {
    const directory = join(scratch, 'killed');
    const first = await start(directory, 3, '--memory-limit', '8MiB');
    await withChannel(first, publishAll);
    first.child.kill('SIGKILL');
    await first.exited;
    for (const waitMs of [300, 500, 700]) {
      const starting = start(directory, 1).catch(() => null);
      await new Promise((resolve) => setTimeout(resolve, waitMs));
      processes.at(-1)?.kill('SIGKILL');
      await starting;
    }
    const last = await start(directory, 1);
    await withChannel(last, async (channel) => {
      for (let q = 0; q < QUEUES; q++) assert.deepEqual(await takeAll(channel, `q${q}`), wanted(q));
    });
    await stop(last);
  });
});
