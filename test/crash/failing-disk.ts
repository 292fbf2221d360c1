import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect } from 'amqplib';
import { seededRandom } from '../support/seeded-random.ts';
import { BrokerProcess } from './broker-process.ts';

const SOURCE = fileURLToPath(new URL('disk-shim.c', import.meta.url));
const BODY = Buffer.alloc(8192, 'x');
const PORTS = ['--kafka-port', 'off'];

/** What a call of the C library does, as `disk-shim.c` is told. */
export interface DiskFault {
  readonly call: 'pwrite' | 'pread' | 'fdatasync' | 'fsync' | 'open' | 'rename' | 'all';
  /** A part of the path. */
  readonly path: string;
  readonly at: number;
  /** None for a disk that is slow, and does not fail. */
  readonly code: 'EIO' | 'EACCES' | null;
  readonly delayMs: number;
}

export interface FaultReport {
  /** How the broker ended: by itself with this status, or null if it went on until it was stopped. */
  readonly status: unknown;
  readonly output: string;
  readonly confirmed: number;
  /** How many of those that were confirmed, and not taken before, were there after the next start. */
  readonly found: number;
}

/** Null where there is no C compiler. Else the path of the shim, and what removes it. */
export async function buildShim(): Promise<{ readonly path: string; remove(): Promise<void> } | null> {
  const directory = await mkdtemp(join(tmpdir(), 'sluice-shim-'));
  const path = join(directory, 'disk-shim.so');
  const { status } = spawnSync('cc', ['-shared', '-fPIC', '-O1', '-o', path, SOURCE, '-ldl']);
  const remove = () => rm(directory, { recursive: true, force: true });
  if (status === 0) return { path, remove };
  await remove();
  return null;
}

const CALLS = [
  ['pwrite', '/journal/'],
  ['pwrite', '/logs/'],
  ['pwrite', '/snapshot'],
  ['open', '/journal/'],
  ['open', '/logs/'],
  ['fdatasync', '/'],
  ['rename', '/'],
] as const;

/** A fault that the seed chooses. Null if nothing confirmed is lost, and the broker says what to do where it ends. */
export async function failSomewhere(shim: string, seed: number): Promise<string | null> {
  const random = seededRandom(seed);
  const [call, path] = CALLS[Math.floor(random() * CALLS.length)]!;
  const code = (['EIO', 'EACCES'] as const)[Math.floor(random() * 2)]!;
  const fault: DiskFault = { call, path, at: 5 + Math.floor(random() * 60), code, delayMs: 0 };
  const { status, output, confirmed, found } = await runOnFailingDisk(shim, fault, MESSAGES);
  const told = `seed ${seed}: ${JSON.stringify(fault)}: status ${status}, ${confirmed} confirmed, ${found} found`;
  const isTold = status === 0 || (status === 1 && /failed with E[A-Z]+\..*doctor --data-dir '/.test(output));
  return isTold && found >= confirmed ? null : `${told}: ${output}`;
}

/** 16 MiB in all: more than the memory for messages, so that there are segments. */
export const MESSAGES = 2000;

/** Publishes until so much is confirmed, or the broker has ended; then starts again on a good disk, and takes all. */
export async function runOnFailingDisk(
  shim: string,
  { call, path, at, code, delayMs }: DiskFault,
  messages: number,
): Promise<FaultReport> {
  const directory = await mkdtemp(join(tmpdir(), 'sluice-disk-'));
  const data = join(directory, 'data');
  const first = new BrokerProcess(data, PORTS, {
    LD_PRELOAD: shim,
    FAULT_CALL: call,
    FAULT_PATH: `${directory}${path === '' ? '' : '/data'}${path}`,
    FAULT_AT: String(at),
    FAULT_ERRNO: String(code === null ? 0 : constants.errno[code]),
    FAULT_DELAY_MS: String(delayMs),
  });
  const second = (): BrokerProcess => new BrokerProcess(data, PORTS);
  try {
    const port = await first.port();
    const confirmed = await publish(port, messages, () => first.hasEnded).catch(() => -1);
    const status = first.hasEnded ? await first.ended() : await first.stop();
    const after = second();
    try {
      return { status, output: first.output, confirmed, found: await countIn(await after.port()) };
    } finally {
      await after.kill();
    }
  } finally {
    await first.kill();
    await rm(directory, { recursive: true, force: true });
  }
}

/** How many were confirmed. */
async function publish(port: number, messages: number, hasEnded: () => boolean): Promise<number> {
  const connection = await connect(`amqp://guest:guest@127.0.0.1:${port}`);
  connection.on('error', () => undefined);
  const isClosed = new Promise<void>((resolve) => connection.on('close', () => resolve()));
  const channel = await connection.createConfirmChannel();
  channel.on('error', () => undefined);
  let confirmed = 0;
  await Promise.race([isClosed, channel.assertQueue('q', { durable: true }).catch(() => undefined)]);
  for (let sent = 0; sent < messages && !hasEnded(); sent += 50) {
    const batch = Array.from(
      { length: 50 },
      () =>
        new Promise<void>((resolve) => {
          channel.sendToQueue('q', BODY, { persistent: true }, (error) => {
            if (error === null) confirmed++;
            resolve();
          });
        }),
    );
    const isOver = await Promise.race([isClosed.then(() => true), Promise.all(batch).then(() => false)]);
    if (isOver) break;
  }
  await connection.close().catch(() => undefined);
  return confirmed;
}

async function countIn(port: number): Promise<number> {
  const connection = await connect(`amqp://guest:guest@127.0.0.1:${port}`);
  const channel = await connection.createChannel();
  channel.on('error', () => undefined);
  const { messageCount } = await channel.assertQueue('q', { durable: true });
  await connection.close();
  return messageCount;
}
