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
  /** It goes on while the broker is told to stop. */
  readonly stopsUnderAttack?: boolean;
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
  /** What held the event loop longest. */
  readonly longest: string;
  /** What must not happen, in words. */
  readonly problems: readonly string[];
}

/** How long a broker may take to stop while clients go on. */
const STOP_MS_MAX = 20_000;

const CANARY = { user: 'canary', password: 'canary-secret' };
const MALLORY = { user: 'mallory', password: 'mallory-secret' };

/** One behaviour against a broker of its own, beside ordinary clients; then everything has to work, and to start again. */
export async function runBehaviour(
  { name, flags = [], blocksAll = false }: Behaviour,
  { seconds, memoryBytes, stopsUnderAttack = false }: RunOptions,
): Promise<Outcome> {
  const dataDirectory = await mkdtemp(join(tmpdir(), 'sluice-hostile-'));
  const problems: string[] = [];
  let broker = await HostileBroker.start({ dataDirectory, memoryBytes, flags });
  try {
    await broker.addUser(CANARY.user, CANARY.password);
    await broker.addUser(MALLORY.user, MALLORY.password);
    const canary = blocksAll ? null : await CanaryProcess.start(broker, problems);
    const attack = new Attack(name, broker, seconds * 1000, stopsUnderAttack);
    await attack.lasted;
    const [amqp, kafka] = canary?.stop() ?? [NOBODY, NOBODY];
    if (!stopsUnderAttack) attack.end();
    const { highest } = await broker.memory();
    const longest = await longestStretches(broker);
    if (broker.hasEnded) problems.push(`the broker has ended: ${broker.lastLines.slice(-3).join('\n')}`);
    else if (!blocksAll && !stopsUnderAttack) await expectService(broker, 'afterwards', problems);
    const { logBytes } = broker;
    const { code, ms: stopMs } = await broker.stop();
    attack.end();
    if (code !== 0) problems.push(`the broker stopped with ${code}`);
    broker = await HostileBroker.start({ dataDirectory, memoryBytes });
    await expectService(broker, 'after a restart', problems);
    const restartMs = broker.startMs;
    return { name, amqp, kafka, highestBytes: highest, logBytes, stopMs, restartMs, longest, problems };
  } finally {
    await broker.stop();
    await rm(dataDirectory, { recursive: true, force: true });
  }
}

/** A process that does harm. */
class Attack {
  /** Its time is over. */
  readonly lasted: Promise<unknown>;
  readonly #child = forkHere('attacker.ts');

  /** `goesOn`: beyond its time, until `end`. */
  constructor(name: string, { ports }: HostileBroker, ms: number, goesOn: boolean) {
    const order: AttackOrder = {
      name,
      amqpPort: ports.amqp,
      amqpsPort: ports.amqps,
      kafkaPort: ports.kafka,
      ...MALLORY,
      ms: goesOn ? ms + STOP_MS_MAX : ms,
    };
    this.#child.send(order);
    const closed = once(this.#child, 'close');
    const late = new Promise((resolve) => setTimeout(resolve, ms + 5000));
    // A behaviour that has done all it can is watched for the rest of the time.
    const time = new Promise((resolve) => setTimeout(resolve, ms));
    this.lasted = goesOn ? time : Promise.all([time, Promise.race([closed, late])]);
  }

  end(): void {
    this.#child.kill('SIGKILL');
  }
}

/** Who held the event loop longest, and how long, in words. */
async function longestStretches({ control }: HostileBroker): Promise<string> {
  const overview = (await control.get(['overview']).catch(() => null)) as {
    readonly loop?: { readonly longest?: readonly { readonly request: string; readonly ms: number }[] };
  } | null;
  const longest = overview?.loop?.longest ?? [];
  return longest
    .slice(0, 3)
    .map(({ request, ms }) => `${request} ${ms.toFixed(0)} ms`)
    .join(', ');
}

/** A new canary comes in, and gets its messages. */
async function expectService(broker: HostileBroker, when: string, problems: string[]): Promise<void> {
  const before = problems.length;
  const canary = await CanaryProcess.start(broker, problems, 3);
  canary.stop();
  for (let i = before; i < problems.length; i++) problems[i] = `${when}: ${problems[i]}`;
}

/** What is compiled while it is first used is not measured. */
const WARM_UP = 300;
/** Longer than the pause between two messages. */
const SILENT_MS = 50;

const NOBODY: Latency = { count: 0, p50Ms: Number.NaN, p99Ms: Number.NaN, maxMs: Number.NaN };

class CanaryProcess {
  readonly #child: ChildProcess;
  readonly #ms = { amqp: [] as number[], kafka: [] as number[] };
  readonly #heardAtMs = { amqp: performance.now(), kafka: performance.now() };

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start({ ports }: HostileBroker, problems: string[], warmUp = WARM_UP): Promise<CanaryProcess> {
    const child = forkHere('canary.ts');
    const canary = new CanaryProcess(child);
    const { promise, resolve } = Promise.withResolvers<void>();
    child.on('message', (song: Song) => {
      if ('problem' in song) problems.push(song.problem);
      if ('ms' in song) {
        canary.#ms[song.protocol].push(song.ms);
        canary.#heardAtMs[song.protocol] = performance.now();
      } else {
        canary.#heardAtMs.amqp = canary.#heardAtMs.kafka = performance.now();
        resolve();
      }
    });
    const order: CanaryOrder = { amqpPort: ports.amqp, kafkaPort: ports.kafka, warmUp, ...CANARY };
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
    // What never came through took as long as there was no other.
    for (const protocol of ['amqp', 'kafka'] as const) {
      const silentMs = performance.now() - this.#heardAtMs[protocol];
      if (silentMs > SILENT_MS) this.#ms[protocol].push(silentMs);
    }
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
