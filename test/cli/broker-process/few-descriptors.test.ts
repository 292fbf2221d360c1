import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { connect as connectAmqp } from 'amqplib';

const LAUNCHER = fileURLToPath(new URL('../../../bin/sluice', import.meta.url));

/** A broker whose process may have so many descriptors, with files so small that it opens many. */
class LimitedBroker implements AsyncDisposable {
  readonly child: ChildProcess;
  readonly directory: string;
  port = 0;
  stderr = '';
  readonly exited: Promise<unknown[]>;

  static async start(descriptors: number): Promise<LimitedBroker> {
    const directory = await mkdtemp(join(tmpdir(), 'sluice-descriptors-'));
    const broker = new LimitedBroker(descriptors, directory);
    const lines = createInterface(broker.child.stdout!);
    const [ready] = (await Promise.race([once(lines, 'line'), broker.exited])) as [string];
    const port = /amqp=127\.0\.0\.1:(\d+)/.exec(ready)?.[1];
    assert.ok(port, `${ready} ${broker.stderr}`);
    broker.port = Number(port);
    return broker;
  }

  private constructor(descriptors: number, directory: string) {
    this.directory = directory;
    const settings =
      '--amqp-port 0 --kafka-port off --journal-file-size 1MiB --journal-limit 2MiB --memory-limit 8MiB';
    const command = `ulimit -n ${descriptors}; exec "$0" start --data-dir "$1" ${settings}`;
    this.child = spawn('/bin/sh', ['-c', command, LAUNCHER, join(directory, 'data')], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child.stderr!.setEncoding('utf8').on('data', (text: string) => {
      this.stderr += text;
    });
    this.exited = once(this.child, 'close');
  }

  get hasEnded(): boolean {
    return this.child.exitCode !== null || this.child.signalCode !== null;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.child.kill('SIGKILL');
    await this.exited;
    await rm(this.directory, { recursive: true, force: true });
  }
}

/** Sockets that send nothing; resolves when each is connected, and `refused` of them are closed again. */
async function idleSockets(port: number, count: number, refused: number): Promise<Socket[]> {
  const sockets: Socket[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  let closed = 0;
  for (let i = 0; i < count; i++) {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => undefined);
    socket.once('close', () => {
      if (++closed === refused) resolve();
    });
    socket.resume();
    sockets.push(socket);
  }
  await promise;
  return sockets;
}

/** The number of descriptors for connections, from the line of the start. */
function connectionsMax({ stderr }: LimitedBroker): number {
  const line = stderr.split('\n').find((each) => each.includes('"connectionsMax"')) ?? '{}';
  return (JSON.parse(line) as { connectionsMax: number }).connectionsMax;
}

describe('a process that may have few descriptors', () => {
  for (const [descriptors, sockets] of [
    [200, 400],
    [1024, 1300],
  ] as const) {
    it(`serves those that are connected while ${sockets} sockets come, and new ones when they are gone, with ulimit -n ${descriptors}`, async () => {
      await using broker = await LimitedBroker.start(descriptors);
      const most = connectionsMax(broker);
      assert.ok(most > descriptors / 4 && most < descriptors, `${most}`);
      const client = await connectAmqp(`amqp://127.0.0.1:${broker.port}`);
      const channel = await client.createConfirmChannel();
      await channel.assertQueue('q');

      const idle = await idleSockets(broker.port, sockets, sockets - (most - 1));
      // Many new files of the journal, and segments.
      const body = Buffer.alloc(512 * 1024, 1);
      for (let i = 0; i < 40; i++) channel.sendToQueue('q', body, { persistent: true });
      await channel.waitForConfirms();
      for (let i = 0; i < 40; i++) {
        const message = await channel.get('q', { noAck: true });
        assert.ok(message !== false && message.content.equals(body));
      }

      const gone = idle.filter(({ destroyed }) => !destroyed).map((socket) => once(socket, 'close'));
      for (const socket of idle) socket.destroy();
      await Promise.all(gone);
      const again = await connectLater(broker.port);
      await again.close();
      await client.close();
      assert.ok(!broker.hasEnded, broker.stderr);
      const refusals = broker.stderr.split('\n').filter((line) => line.includes('raise ulimit -n"'));
      assert.ok(refusals.length > 0 && refusals.length < 50, `${refusals.length} lines`);
    });
  }
});

/** The broker may see only later that sockets are gone. */
async function connectLater(port: number): Promise<Awaited<ReturnType<typeof connectAmqp>>> {
  for (let tries = 0; ; tries++) {
    try {
      return await connectAmqp(`amqp://127.0.0.1:${port}`);
    } catch (error) {
      if (tries === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
