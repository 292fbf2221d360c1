/**
 * What a message costs with one shard and with two: processor time of the broker by message, with each event loop held to the same share
 * of a core, and how many messages they carry so.
 */
import { join } from 'node:path';
import type { BenchSettings } from '../../src/cli/bench/amqp/settings.ts';
import type { Worker } from '../../src/cli/bench/amqp/worker.ts';
import { startSluice, withDirectory } from '../brokers.ts';
import { processFigures } from '../process-figures.ts';
import { CpuShares, shardThreads } from './cpu-shares.ts';
import { openLane } from './lane.ts';

/** The shards of a queue, of a connection that publishes to it, and of one that consumes from it. */
interface Lane {
  readonly queue: number;
  readonly publisher: number;
  readonly consumer: number;
}

export interface Placement {
  readonly name: string;
  readonly shards: number;
  readonly lanes: readonly Lane[];
}

export const PLACEMENTS: readonly Placement[] = [
  { name: 'one shard', shards: 1, lanes: [lane(0, 0, 0), lane(0, 0, 0)] },
  { name: 'two shards, queues where their clients are', shards: 2, lanes: [lane(0, 0, 0), lane(1, 1, 1)] },
  { name: 'two shards, publishers in the other one', shards: 2, lanes: [lane(0, 1, 0), lane(1, 0, 1)] },
  { name: 'two shards, all clients in the other one', shards: 2, lanes: [lane(0, 1, 1), lane(1, 0, 0)] },
];

function lane(queue: number, publisher: number, consumer: number): Lane {
  return { queue, publisher, consumer };
}

const LOAD: Partial<BenchSettings> = {
  sizeBytes: 100,
  confirmWindow: 500,
  prefetch: 500,
  ackEvery: 20,
};

export interface CostFigures {
  readonly messagesPerSecond: number;
  readonly cpuMicrosPerMessage: number;
}

/** `share`: of a core, for each event loop; null for no limit. */
export function measurePlacement(
  { shards, lanes }: Placement,
  share: number | null,
  seconds: number,
  persistent: boolean,
): Promise<CostFigures> {
  return withDirectory(async (directory) => {
    const broker = await startSluice(directory, ['--shards', String(shards)]);
    const held = share === null ? null : await CpuShares.hold(await shardThreads(broker.pid, shards), share);
    const workers: Worker[] = [];
    try {
      const common = { url: broker.url, dataDirectory: join(directory, 'data') };
      for (const [index, { queue: queueShard, publisher, consumer }] of lanes.entries()) {
        const queue = { ...common, queue: `lane-${index}`, queueShard };
        const settings = { ...LOAD, persistent, publisherBase: index };
        const publishing = { ...settings, consume: false };
        const consuming = { ...settings, publish: false };
        workers.push(await openLane({ ...queue, connectionShard: consumer, settings: consuming }));
        workers.push(await openLane({ ...queue, connectionShard: publisher, settings: publishing }));
      }
      for (const worker of workers) await worker.startConsuming();
      for (const worker of workers) await worker.startPublishing(Number.POSITIVE_INFINITY);
      await sleep(1500);
      const [consumedBefore, cpuBefore, begin] = [
        await consumed(workers),
        await processFigures(broker.pid),
        performance.now(),
      ];
      await sleep(seconds * 1000);
      const [consumedAfter, cpuAfter] = [await consumed(workers), await processFigures(broker.pid)];
      const messages = consumedAfter - consumedBefore;
      return {
        messagesPerSecond: (messages * 1000) / (performance.now() - begin),
        cpuMicrosPerMessage: ((cpuAfter.cpuSeconds - cpuBefore.cpuSeconds) * 1e6) / messages,
      };
    } finally {
      for (const worker of workers) await worker.close().catch(() => undefined);
      await broker.stop();
      await held?.[Symbol.asyncDispose]();
    }
  });
}

async function consumed(workers: readonly Worker[]): Promise<number> {
  let sum = 0;
  for (const worker of workers) sum += (await worker.counters()).consumed;
  return sum;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
