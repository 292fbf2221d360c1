/**
 * A load for one shard until the standard input ends: `hot-lane.ts PLAN`. Prints a line when it has begun, and at the end the number of
 * messages that it has published.
 */
import { fileURLToPath } from 'node:url';
import type { BenchSettings } from '../../src/cli/bench/amqp/settings.ts';
import { openLane } from './lane.ts';

export interface HotPlan {
  readonly url: string;
  readonly dataDirectory: string;
  readonly shard: number;
  readonly queueArguments: BenchSettings['queueArguments'];
  readonly settings: Partial<BenchSettings>;
}

async function run({ url, dataDirectory, shard, queueArguments, settings }: HotPlan): Promise<void> {
  const lane = await openLane({
    url,
    dataDirectory,
    queue: 'hot',
    queueShard: shard,
    connectionShard: shard,
    settings: { ...settings, queueArguments: { ...queueArguments, 'x-shard': shard } },
  });
  await lane.startConsuming();
  await lane.startPublishing(Number.POSITIVE_INFINITY);
  console.log('begun');
  const { published: before } = await lane.counters();
  process.stdin.resume();
  await new Promise((resolve) => process.stdin.once('end', resolve));
  const { published } = await lane.counters();
  console.log(published - before);
  process.exit(0);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await run(JSON.parse(process.argv[2]) as HotPlan);
