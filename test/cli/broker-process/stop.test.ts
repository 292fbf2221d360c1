import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { connect as connectSocket, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { after, before, describe, it } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { connect } from 'amqplib';
import { PROTOCOL_HEADER } from '../../../src/wire/amqp091/constants.ts';
import { RawClient } from '../../servers/amqp091/raw-client.ts';
import { certificatePath } from '../../support/certificates.ts';

const LAUNCHER = fileURLToPath(new URL('../../../bin/sluice', import.meta.url));
/** Two listeners that wait one after the other take longer, whatever the machine does; four together take three seconds. */
const STOP_MS_MAX = 5_900;

let scratch: string;
let broker: ChildProcess;
const sockets: Socket[] = [];
/** The port of each listener, by its name in the ready line. */
const ports = new Map<string, number>();

function port(protocol: string): number {
  return ports.get(protocol) as number;
}

/** A socket that nobody reads, and that answers no FIN. */
async function stuck(path: string | number, bytes: Uint8Array = Buffer.alloc(0)): Promise<Socket> {
  const socket =
    typeof path === 'number'
      ? connectSocket({ port: path, host: '127.0.0.1', allowHalfOpen: true })
      : connectSocket({ path, allowHalfOpen: true });
  sockets.push(socket.on('error', () => undefined));
  await once(socket, 'connect');
  socket.write(bytes);
  socket.pause();
  return socket;
}

/** As `stuck`, with TLS done. */
async function stuckOverTls(port: number, bytes: Uint8Array): Promise<void> {
  const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
  sockets.push(socket.on('error', () => undefined));
  await once(socket, 'secureConnect');
  socket.write(bytes);
  socket.pause();
}

/** An AMQP connection whose client has gone deaf. */
async function stuckConnection(): Promise<RawClient> {
  const client = await RawClient.connect(port('amqp'));
  sockets.push(client.socket);
  await client.handshake();
  client.method(1, { name: 'channel.open' });
  await client.expect('channel.open-ok');
  return client;
}

/** A Kafka request header of ApiVersions 0. */
const API_VERSIONS = Buffer.from('00000010001200000000000100066465616620207878', 'hex').subarray(0, 20);

before(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'sluice-stop-'));
  const flags = ['--amqp-port', '0', '--amqps-port', '0', '--kafka-port', '0', '--kafkas-port', '0'];
  const tls = ['--tls-cert', certificatePath('server.pem'), '--tls-key', certificatePath('server.key')];
  broker = spawn(LAUNCHER, ['start', '--data-dir', join(scratch, 'data'), ...flags, ...tls], {
    env: Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('SLUICE_'))),
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [line] = (await once(createInterface(broker.stdout!), 'line')) as [string];
  for (const [, name, number] of line.matchAll(/(\w+)=127\.0\.0\.1:(\d+)/g)) ports.set(name, Number(number));
});
after(async () => {
  broker.kill('SIGKILL');
  for (const socket of sockets) socket.destroy();
  await rm(scratch, { recursive: true, force: true });
});

/** A queue with more in it than a socket takes. */
async function fillQueue(): Promise<void> {
  const connection = await connect(`amqp://127.0.0.1:${port('amqp')}`);
  const channel = await connection.createConfirmChannel();
  await channel.assertQueue('full');
  for (let i = 0; i < 64; i++) channel.sendToQueue('full', Buffer.alloc(256 * 1024));
  await channel.waitForConfirms();
  await connection.close();
}

describe('sluice start, told to stop', { skip: process.platform === 'win32' }, () => {
  it('ends within the time of one goodbye, whatever the peers of all its listeners do', async () => {
    await fillQueue();
    // Each kind several times, and on each listener where there is one.
    for (let i = 0; i < 5; i++) {
      const reader = await stuckConnection();
      const consume = { consumerTag: '', noLocal: false, noAck: true, exclusive: false, noWait: false };
      reader.method(1, { name: 'basic.consume', queue: 'full', arguments: {}, ...consume });
      await reader.expect('basic.consume-ok');
      reader.socket.pause();

      const halfClosed = await stuckConnection();
      halfClosed.socket.allowHalfOpen = true;
      halfClosed.socket.pause();

      const unfinished = await stuckConnection();
      unfinished.write(Buffer.from([1, 0, 1, 0, 0, 0x40, 0, 0, 60]));
      unfinished.socket.pause();

      const closed = await stuckConnection();
      closed.method(0, { name: 'connection.close', replyCode: 200, replyText: '', classId: 0, methodId: 0 });
      closed.socket.pause();

      await stuck(port('amqp'));
      await stuck(port('amqp'), PROTOCOL_HEADER);
      await stuck(port('amqp'), Buffer.from('GET / HTTP/1.1\r\n\r\n'));
      // In the TLS handshake: nothing, and half of a ClientHello.
      for (const each of ['amqps', 'kafkas']) {
        await stuck(port(each));
        await stuck(port(each), Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1]));
      }
      await stuckOverTls(port('amqps'), PROTOCOL_HEADER);
      await stuckOverTls(port('kafkas'), API_VERSIONS);
      await stuck(port('kafka'));
      await stuck(port('kafka'), API_VERSIONS);
      await stuck(port('kafka'), Buffer.from([0, 16, 0, 0, 0, 0]));
      await stuck(
        join(scratch, 'data', 'control.sock'),
        Buffer.from('GET /api/events HTTP/1.1\r\nHost: x\r\n\r\n'),
      );
      await stuck(join(scratch, 'data', 'control.sock'), Buffer.from('PUT /api/users/x HTTP/1.1\r\n'));
    }
    const startMs = performance.now();
    broker.kill('SIGTERM');
    const ended = await once(broker, 'close');
    const tookMs = performance.now() - startMs;
    assert.deepEqual(ended, [0, null]);
    assert.ok(tookMs < STOP_MS_MAX, `${tookMs} ms`);
  });
});
