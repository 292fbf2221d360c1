import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { AttackOrder } from './attacker.ts';
import type { Behaviour } from './behaviour.ts';
import type { CanaryOrder, Song } from './canary.ts';
import { HostileBroker } from './hostile-broker.ts';

export interface RunOptions {
  readonly seconds: number;
  readonly memoryBytes: number | null;
}

export interface Latency {
  readonly count: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

export interface Outcome {
  readonly name: string;
  readonly amqp: Latency;
  readonly kafka: Latency;
  readonly highestBytes: number;
  readonly logBytes: number;
  readonly stopMs: number;
  readonly restartMs: number;
  /** What must not happen, in words. */
  readonly problems: readonly string[];
}

const CANARY = { user: 'canary', password: 'canary-secret' };
const MALLORY = { user: 'mallory', password: 'mallory-secret' };

/** One behaviour against a broker of its own, beside ordinary clients; then everything has to work, and to start again. */
export async function runBehaviour(
  { name }: Behaviour,
  { seconds, memoryBytes }: RunOptions,
): Promise<Outcome> {
  const dataDirectory = await mkdtemp(join(tmpdir(), 'sluice-hostile-'));
  const problems: string[] = [];
  let broker = await HostileBroker.start({ dataDirectory, memoryBytes });
  try {
    await broker.addUser(CANARY.user, CANARY.password);
    await broker.addUser(MALLORY.user, MALLORY.password);
    const canary = await CanaryProcess.start(broker, problems);
    await attack(name, broker, seconds * 1000);
    const [amqp, kafka] = canary.stop();
    const { highest } = await broker.memory();
    if (broker.hasEnded) problems.push(`the broker has ended: ${broker.lastLines.slice(-3).join('\n')}`);
    else await expectService(broker, 'afterwards', problems);
    const { logBytes } = broker;
    const { code, ms: stopMs } = await broker.stop();
    if (code !== 0) problems.push(`the broker stopped with ${code}`);
    broker = await HostileBroker.start({ dataDirectory, memoryBytes });
    await expectService(broker, 'after a restart', problems);
    const restartMs = broker.startMs;
    return { name, amqp, kafka, highestBytes: highest, logBytes, stopMs, restartMs, problems };
  } finally {
    await broker.stop();
    await rm(dataDirectory, { recursive: true, force: true });
  }
}

async function attack(name: string, { ports }: HostileBroker, ms: number): Promise<void> {
  const child = forkHere('attacker.ts');
  const closed = once(child, 'close');
  const order: AttackOrder = {
    name,
    amqpPort: ports.amqp,
    amqpsPort: ports.amqps,
    kafkaPort: ports.kafka,
    ...MALLORY,
    ms,
  };
  child.send(order);
  // A behaviour that has done all it can is watched for the rest of the time.
  await Promise.all([
    new Promise((resolve) => setTimeout(resolve, ms)),
    Promise.race([closed, new Promise((resolve) => setTimeout(resolve, ms + 5000))]),
  ]);
  child.kill('SIGKILL');
}

/** A new canary comes in, and gets its messages. */
async function expectService(broker: HostileBroker, when: string, problems: string[]): Promise<void> {
  const before = problems.length;
  const canary = await CanaryProcess.start(broker, problems);
  canary.stop();
  for (let i = before; i < problems.length; i++) problems[i] = `${when}: ${problems[i]}`;
}

class CanaryProcess {
  readonly #child: ChildProcess;
  readonly #ms = { amqp: [] as number[], kafka: [] as number[] };

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start({ ports }: HostileBroker, problems: string[]): Promise<CanaryProcess> {
    const child = forkHere('canary.ts');
    const canary = new CanaryProcess(child);
    const { promise, resolve } = Promise.withResolvers<void>();
    child.on('message', (song: Song) => {
      if ('problem' in song) problems.push(song.problem);
      if ('ms' in song) canary.#ms[song.protocol].push(song.ms);
      else resolve();
    });
    const order: CanaryOrder = { amqpPort: ports.amqp, kafkaPort: ports.kafka, ...CANARY };
    child.send(order);
    const timer = setTimeout(() => {
      problems.push('a client did not get through within 30 s');
      resolve();
    }, 30_000);
    await promise;
    clearTimeout(timer);
    return canary;
  }

  stop(): [Latency, Latency] {
    this.#child.removeAllListeners('message');
    this.#child.kill('SIGKILL');
    return [latency(this.#ms.amqp), latency(this.#ms.kafka)];
  }
}

function forkHere(file: string): ChildProcess {
  return fork(fileURLToPath(new URL(file, import.meta.url)), {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    execArgv: ['--disable-warning=ExperimentalWarning'],
  });
}

function latency(ms: readonly number[]): Latency {
  const sorted = ms.toSorted((a, b) => a - b);
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
  return { count: sorted.length, p50Ms: at(0.5), p99Ms: at(0.99), maxMs: sorted.at(-1) ?? Number.NaN };
}
