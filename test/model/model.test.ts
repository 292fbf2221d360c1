import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { describeFailure, runSeed } from './seeds.ts';

/** `npm run test:model` runs thousands; these are for every day. */
const SEEDS = 80;
const SEEDS_WITH_SHARDS = 30;
const OPERATIONS = 100;

describe('a broker under random operations', () => {
  it('does with each message what the model of its queues does, and its ledgers balance at every step', async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const failure = await runSeed(seed, OPERATIONS);
      if (failure !== null) assert.fail(await describeFailure(failure));
    }
  });

  it('does the same with three shards, where publishers are in any of them', async () => {
    for (let seed = 1; seed <= SEEDS_WITH_SHARDS; seed++) {
      const failure = await runSeed(seed, OPERATIONS, 3);
      if (failure !== null) assert.fail(await describeFailure(failure));
    }
  });
});
