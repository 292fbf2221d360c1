/** Starts and stops the brokers that are compared, each on free ports and in a directory of its own. */
import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cleanups, end, freePorts, portOpens, running, tail, throwIfInterrupted } from './child.ts';
import { startKafka } from './kafka-broker.ts';
import { RABBITMQ_SERVER } from './rabbitmq-install.ts';
import { launchSluice } from './sluice.ts';

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

export function startBroker(name: BrokerName, directory: string): Promise<RunningBroker> {
  if (name === 'sluice') return startSluice(directory);
  return name === 'kafka' ? startKafka(directory) : startRabbitmq(directory);
}

/** Gives a fresh directory to `use`, and removes it afterwards. */
export async function withDirectory<T>(use: (directory: string) => Promise<T>): Promise<T> {
  throwIfInterrupted();
  const directory = await mkdtemp(join(tmpdir(), 'sluice-bench-'));
  const removeNow = () => remove(directory);
  cleanups.add(removeNow);
  try {
    return await use(directory);
  } finally {
    await remove(directory);
    cleanups.delete(removeNow);
  }
}

function remove(directory: string): Promise<void> {
  return rm(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
}

export function startSluice(
  directory: string,
  options: readonly string[] = [],
  env?: NodeJS.ProcessEnv,
): Promise<RunningBroker> {
  const ports = ['--amqp-port', '0', '--http-port', 'off', '--kafka-port', 'off', '--mqtt-port', 'off'];
  return launchSluice({ launcher, ...(env !== undefined && { env }) }, [
    ...['--data-dir', join(directory, 'data'), ...ports, '--stomp-port', 'off', '--durability', 'sync'],
    ...options,
  ]);
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
