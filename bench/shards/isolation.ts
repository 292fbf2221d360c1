/**
 * Whether one shard in trouble slows the queues of another one: the latency of a queue in shard 2, in turns with the trouble in shard 1
 * of the same broker, and in that of a second broker on the same machine and disk, which takes as much of them. Each event loop is held
 * to a share of a core.
 */
import { spawn } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FINE_BITS, Histogram } from '../../src/base/histogram.ts';
import type { BenchSettings } from '../../src/cli/bench/amqp/settings.ts';
import type { Worker } from '../../src/cli/bench/amqp/worker.ts';
import { buildShim } from '../../test/crash/failing-disk.ts';
import { type RunningBroker, startSluice, withDirectory } from '../brokers.ts';
import { CpuShares, shardThreads } from './cpu-shares.ts';
import type { HotPlan } from './hot-lane.ts';
import { openLane } from './lane.ts';

const SHARDS = 3;
const SHARE = 0.25;
const DISTURBED = 1;
const VICTIM = 2;
const STALL_MS = 250;
const VICTIM_LOAD: Partial<BenchSettings> = {
  persistent: true,
  sizeBytes: 100,
  ratePerSecond: 500,
  confirmWindow: 500,
  prefetch: 500,
  ackEvery: 1,
};

/** What shard 1 has to do with: `stalls`: each call of its disk takes a quarter of a second. */
export interface Disturbance {
  readonly name: string;
  readonly stalls: boolean;
  readonly queueArguments: BenchSettings['queueArguments'];
  readonly settings: Partial<BenchSettings>;
}

export const DISTURBANCES: readonly Disturbance[] = [
  {
    name: 'a stalled disk',
    stalls: true,
    queueArguments: {},
    settings: { persistent: true, confirmWindow: 200, sizeBytes: 1000, prefetch: 200 },
  },
  {
    name: 'a full queue',
    stalls: false,
    queueArguments: { 'x-max-length': 100, 'x-overflow': 'reject-publish' },
    settings: { consume: false, confirmWindow: 500, sizeBytes: 100 },
  },
  {
    name: 'a hot consumer',
    stalls: false,
    queueArguments: {},
    settings: { autoAck: true, sizeBytes: 16 },
  },
];

export interface IsolationFigures {
  /** With the trouble in the other broker, and in the same one. */
  readonly elsewhere: Latency;
  readonly here: Latency;
  /** Messages a second that were published in shard 1 while it was disturbed: that it was. */
  readonly disturbancePerSecond: number;
}

export interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export function measureIsolation(
  disturbance: Disturbance,
  rounds: number,
  seconds: number,
): Promise<IsolationFigures> {
  return withDirectory(async (directory) => {
    const shim = await buildShim();
    if (shim === null) throw new Error('there is no C compiler for the library that stalls a disk');
    const stalling = join(directory, 'stalling');
    const env = {
      ...process.env,
      LD_PRELOAD: shim.path,
      FAULT_CALL: 'all',
      FAULT_PATH: `/shards/${DISTURBED}/`,
      FAULT_DELAY_MS: String(STALL_MS),
      FAULT_WHILE: stalling,
    };
    const own = await HeldBroker.start(join(directory, 'own'), env);
    const other = await HeldBroker.start(join(directory, 'other'), env);
    try {
      const victim = await openLane({
        ...own.at,
        queue: 'victim',
        queueShard: VICTIM,
        connectionShard: VICTIM,
        settings: VICTIM_LOAD,
      });
      await victim.startConsuming();
      await victim.startPublishing(Number.POSITIVE_INFINITY);
      const [elsewhere, here] = [new Histogram(FINE_BITS), new Histogram(FINE_BITS)];
      let published = 0;
      const trouble = async (broker: HeldBroker, latency: Histogram): Promise<number> => {
        const hot = await HotLane.start({ ...broker.at, shard: DISTURBED, ...disturbance });
        if (disturbance.stalls) await writeFile(stalling, '');
        await record(victim, latency, seconds);
        await rm(stalling, { force: true });
        return hot.stop();
      };
      for (let round = 0; round < rounds; round++) {
        await trouble(other, elsewhere);
        published += await trouble(own, here);
      }
      await victim.close();
      return {
        elsewhere: latencyOf(elsewhere),
        here: latencyOf(here),
        disturbancePerSecond: published / (rounds * seconds),
      };
    } finally {
      await rm(stalling, { force: true });
      await own.stop();
      await other.stop();
      await shim.remove();
    }
  });
}

/** A broker whose event loops have a share of a core each. */
class HeldBroker {
  readonly at: Pick<HotPlan, 'url' | 'dataDirectory'>;
  readonly #broker: RunningBroker;
  readonly #held: CpuShares;

  private constructor(broker: RunningBroker, held: CpuShares, directory: string) {
    this.#broker = broker;
    this.#held = held;
    this.at = { url: broker.url, dataDirectory: join(directory, 'data') };
  }

  static async start(directory: string, env: NodeJS.ProcessEnv): Promise<HeldBroker> {
    await mkdir(directory);
    const broker = await startSluice(directory, ['--shards', String(SHARDS)], env);
    const held = await CpuShares.hold(await shardThreads(broker.pid, SHARDS), SHARE);
    return new HeldBroker(broker, held, directory);
  }

  async stop(): Promise<void> {
    await this.#broker.stop();
    await this.#held[Symbol.asyncDispose]();
  }
}

/** After a second in which things settle. */
async function record(worker: Worker, into: Histogram, seconds: number): Promise<void> {
  await sleep(1000);
  await worker.snapshot();
  await sleep(seconds * 1000);
  into.add((await worker.snapshot()).latency);
}

function latencyOf(histogram: Histogram): Latency {
  return { p50Ms: histogram.quantileMs(0.5), p99Ms: histogram.quantileMs(0.99) };
}

/** The load of shard 1, in a process of its own. */
class HotLane {
  readonly #child: ReturnType<typeof spawn>;
  readonly #output: Promise<string>;

  private constructor(child: ReturnType<typeof spawn>, output: Promise<string>) {
    this.#child = child;
    this.#output = output;
  }

  static async start(plan: HotPlan): Promise<HotLane> {
    const program = fileURLToPath(new URL('./hot-lane.ts', import.meta.url));
    const child = spawn(process.execPath, [program, JSON.stringify(plan)], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const { promise: begun, resolve } = Promise.withResolvers<void>();
    const output = new Promise<string>((done) => {
      let text = '';
      child.stdout?.on('data', (chunk: Buffer) => {
        text += chunk.toString();
        resolve();
      });
      child.once('close', () => {
        resolve();
        done(text);
      });
    });
    await begun;
    return new HotLane(child, output);
  }

  /** Resolves with the messages that it has published. */
  async stop(): Promise<number> {
    this.#child.stdin?.end();
    const lines = (await this.#output).trim().split('\n');
    return Number(lines.at(-1));
  }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
