import { test } from 'node:test';
import { SpreadFeedRun } from './spread-feed-run.ts';

const SEEDS = Number(process.env.SLUICE_SPREAD_SEEDS ?? 16);
const FIRST_SEED = Number(process.env.SLUICE_SPREAD_FIRST_SEED ?? 1);

test(`after ${SEEDS} schedules with power cuts, queues have what is in a stream of all shards, once and in order`, async () => {
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
    await new SpreadFeedRun(seed).run().catch((cause: unknown) => {
      throw new Error(`seed ${seed}`, { cause });
    });
  }
});
