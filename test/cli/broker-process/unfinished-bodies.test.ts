import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { FRAME_BODY } from '../../../src/wire/amqp091/constants.ts';
import { FrameWriter, writeHeaderFrame } from '../../../src/wire/amqp091/frames.ts';
import { methodBytes, RawClient } from '../../servers/amqp091/raw-client.ts';

const LAUNCHER = fileURLToPath(new URL('../../../bin/sluice', import.meta.url));
const MIB = 2 ** 20;
const MARK_BYTES = 400 * MIB;
const CONNECTIONS = 40;
const CHANNELS = 10;
const ANNOUNCED_BYTES = 10_000_000;
const FRAMES = 60;
const FRAME = Buffer.alloc(100_000);

it('bodies that are begun on 400 channels and not finished do not exceed the memory mark', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sluice-unfinished-'));
  const flags = ['--amqp-port', '0', '--kafka-port', 'off', '--memory-high-water-mark', '400MiB'];
  const broker = spawn(LAUNCHER, ['start', '--data-dir', join(directory, 'data'), ...flags], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const exited = once(broker, 'close');
  const clients: RawClient[] = [];
  try {
    const [ready] = (await once(createInterface(broker.stdout), 'line')) as [string];
    const port = Number(/amqp=127\.0\.0\.1:(\d+)/.exec(ready)?.[1]);
    for (let i = 0; i < CONNECTIONS; i++) clients.push(await beginBodies(port));
    // One goes on.
    await Promise.all(clients.slice(1).map(blocked));
    const peakBytes = await peakMemory(broker.pid as number);
    assert.ok(peakBytes < MARK_BYTES, `${peakBytes / MIB} MiB`);
  } finally {
    for (const client of clients) client[Symbol.dispose]();
    broker.kill('SIGKILL');
    await exited;
    await rm(directory, { recursive: true, force: true });
  }
});

/** A connection that has sent most of a message on each of its channels. */
async function beginBodies(port: number): Promise<RawClient> {
  const client = await RawClient.connect(port);
  client.patienceMs = 120_000;
  await client.handshake({}, { 'connection.blocked': true });
  for (let channel = 1; channel <= CHANNELS; channel++) {
    client.method(channel, { name: 'channel.open' });
    await client.expect('channel.open-ok');
  }
  for (let channel = 1; channel <= CHANNELS; channel++) {
    const writer = new FrameWriter();
    writeHeaderFrame(writer, channel, ANNOUNCED_BYTES, Buffer.from([0, 0]));
    const address = { exchange: '', routingKey: 'q', mandatory: false, immediate: false };
    client.write(methodBytes(channel, { name: 'basic.publish', ...address }));
    client.write(writer.take());
    const prefix = Buffer.from([FRAME_BODY, 0, channel, 0, 0, 0, 0]);
    prefix.writeUInt32BE(FRAME.length, 3);
    for (let i = 0; i < FRAMES; i++) client.write(Buffer.concat([prefix, FRAME, Buffer.from([0xce])]));
  }
  return client;
}

/** Resolves when the broker has told the client that it is not read, or has ended the connection. */
async function blocked(client: RawClient): Promise<void> {
  while (!client.isClosed || client.received.length > 0) {
    const { method } = await client.next();
    if (method?.name === 'connection.blocked' || method?.name === 'connection.close') return;
  }
}

async function peakMemory(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}
