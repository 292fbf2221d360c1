/** Starts and stops the brokers that are compared, each on free ports and in a directory of its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { startKafka } from './kafka-broker.ts';
import { RABBITMQ_SERVER } from './rabbitmq-install.ts';

export interface RunningBroker {
  readonly name: BrokerName;
  readonly url: string;
  /** Where its Kafka clients begin, if it has any. */
  readonly bootstrap?: string;
  readonly pid: number;
  /** From the start of the process to its being ready. */
  readonly startSeconds: number;
  /** Ends the process; its data stay. */
  stop(): Promise<void>;
  /** The same by SIGKILL. */
  kill(): Promise<void>;
}

export type BrokerName = 'sluice' | 'rabbitmq' | 'kafka';

const launcher = fileURLToPath(new URL('../bin/sluice', import.meta.url));
/** How to end what runs now: whoever interrupts a measurement does not want to look for its brokers. */
export const running = new Map<ChildProcess, () => Promise<void>>();
const directories = new Set<string>();
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, async () => {
    await Promise.all([...running.values()].map((endNow) => endNow()));
    await Promise.all([...directories].map(remove));
    process.exit(1);
  });
}

const READY_MS = 60_000;
const STOP_MS = 30_000;

export function startBroker(name: BrokerName, directory: string): Promise<RunningBroker> {
  if (name === 'sluice') return startSluice(directory);
  return name === 'kafka' ? startKafka(directory) : startRabbitmq(directory);
}

/** Gives a fresh directory to `use`, and removes it afterwards. */
export async function withDirectory<T>(use: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
  directories.add(directory);
  try {
    return await use(directory);
  } finally {
    await remove(directory);
    directories.delete(directory);
  }
}

function remove(directory: string): Promise<void> {
  return rm(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}

export async function startSluice(
  directory: string,
  options: readonly string[] = [],
): Promise<RunningBroker> {
  const dataDirectory = join(directory, 'data');
  const ports = ['--amqp-port', '0', '--http-port', 'off', '--kafka-port', 'off', '--mqtt-port', 'off'];
  const args = [
    'start',
    '--data-dir',
    dataDirectory,
    ...ports,
    '--stomp-port',
    'off',
    '--durability',
    'sync',
    ...options,
  ];
  const begin = performance.now();
  const child = spawn(launcher, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  running.set(child, () => end(child, child.pid, 'SIGKILL'));
  const errors = tail(child);
  const line = await firstLine(child, errors);
  const startSeconds = (performance.now() - begin) / 1000;
  const address = /\bamqp=(\S+)/.exec(line)?.[1];
  const pid = Number(/\bpid=(\d+)/.exec(line)?.[1] ?? child.pid);
  if (!line.startsWith('sluice ready ') || address === undefined)
    throw new Error(`not a ready line: ${line}`);
  const bootstrap = /\bkafka=(\S+)/.exec(line)?.[1];
  return {
    name: 'sluice',
    url: `amqp://guest:guest@${address}/`,
    ...(bootstrap === undefined ? {} : { bootstrap }),
    pid,
    startSeconds,
    stop: () => end(child, child.pid, 'SIGTERM'),
    kill: () => end(child, child.pid, 'SIGKILL'),
  };
}

/**
 * Debian's RabbitMQ as it comes, without plugins, but alone: its own node name, ports, data, cookie and port mapper, so
 * that neither a RabbitMQ of the machine nor its configuration has a part in it.
 */
export async function startRabbitmq(directory: string): Promise<RunningBroker> {
  const [port, distributionPort, epmdPort] = await freePorts(3);
  const home = join(directory, 'home');
  await mkdir(home, { recursive: true });
  await writeFile(join(directory, 'plugins'), '[].\n');
  const pidFile = join(directory, 'pid');
  const env = {
    PATH: process.env.PATH ?? '/usr/bin:/bin',
    LANG: 'C.UTF-8',
    HOME: home,
    ERL_EPMD_PORT: String(epmdPort),
    RABBITMQ_NODENAME: `sluice-bench-${port}@localhost`,
    RABBITMQ_NODE_IP_ADDRESS: '127.0.0.1',
    RABBITMQ_NODE_PORT: String(port),
    RABBITMQ_DIST_PORT: String(distributionPort),
    RABBITMQ_MNESIA_BASE: join(directory, 'data'),
    RABBITMQ_LOG_BASE: join(directory, 'log'),
    RABBITMQ_ENABLED_PLUGINS_FILE: join(directory, 'plugins'),
    RABBITMQ_CONF_ENV_FILE: join(directory, 'none'),
    RABBITMQ_CONFIG_FILE: join(directory, 'none'),
    RABBITMQ_PID_FILE: pidFile,
  };
  const begin = performance.now();
  const child = spawn(RABBITMQ_SERVER, [], { env, cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] });
  // The launcher passes SIGTERM on to the node, whose number it alone knows until the port is open.
  running.set(child, () => end(child, child.pid, 'SIGTERM').then(() => endPortMapper(epmdPort)));
  child.stdout.pipe(createWriteStream(join(directory, 'out')));
  const errors = tail(child);
  await portOpens(child, port, errors);
  const startSeconds = (performance.now() - begin) / 1000;
  const pid = Number(await readFile(pidFile, 'utf8'));
  return {
    name: 'rabbitmq',
    url: `amqp://guest:guest@127.0.0.1:${port}/`,
    pid,
    startSeconds,
    stop: () => end(child, pid, 'SIGTERM').then(() => endPortMapper(epmdPort)),
    kill: () => end(child, pid, 'SIGKILL').then(() => endPortMapper(epmdPort)),
  };
}

/** The port mapper that an Erlang node has started outlives it. */
async function endPortMapper(port: number): Promise<void> {
  const killer = spawn('epmd', ['-port', String(port), '-kill'], { stdio: 'ignore' });
  await new Promise((resolve) => killer.on('close', resolve).on('error', resolve));
}

/** Waits for the broker's end; SIGKILL if it does not come in time. */
export async function end(
  child: ChildProcess,
  pid: number | undefined,
  signal: NodeJS.Signals,
): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || pid === undefined) return;
  const ended = new Promise((resolve) => child.once('close', resolve));
  process.kill(pid, signal);
  const timer = setTimeout(() => process.kill(pid, 'SIGKILL'), STOP_MS);
  await ended;
  running.delete(child);
  clearTimeout(timer);
}

/** Keeps the last of what a process says on standard error, for the message when it does not start. */
export function tail(child: ChildProcess): () => string {
  let text = '';
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    text = (text + chunk).slice(-2000);
  });
  return () => text;
}

function firstLine(child: ChildProcess, errors: () => string): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (why: string) => {
      clearTimeout(timer);
      child.kill('SIGKILL');
      reject(new Error(`Sluice ${why}\n${errors()}`));
    };
    const timer = setTimeout(() => fail('was not ready in time'), READY_MS);
    child.once('error', (error) => fail(`did not start: ${error.message}`));
    child.once('close', (code) => fail(`ended with ${code} before it was ready`));
    if (child.stdout === null) throw new Error('no standard output');
    createInterface(child.stdout).once('line', (line) => {
      clearTimeout(timer);
      child.removeAllListeners('close');
      resolve(line);
    });
  });
}

/** RabbitMQ and Kafka open their listeners last, so an open port is a broker that is ready. */
export async function portOpens(child: ChildProcess, port: number, errors: () => string): Promise<void> {
  const deadline = performance.now() + READY_MS;
  for (;;) {
    if (child.exitCode !== null) throw new Error(`the peer ended with ${child.exitCode}\n${errors()}`);
    if (await canConnect(port)) return;
    if (performance.now() > deadline) {
      child.kill('SIGTERM');
      throw new Error(`the peer was not ready in time\n${errors()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer();
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      return server;
    }),
  );
  const ports = servers.map((server) => {
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('a TCP server without a port');
    return address.port;
  });
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}
