import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cutShards, describeFailure } from '../power-cut.ts';
import { fillShardDisk } from './full-shard-disk.ts';
import { ShardsRun } from './shards-run.ts';

/** `npm run test:crash -- --shards 3` runs thousands; these are for every day. */
const CUTS = 30;
const FULL_DISKS = 10;

describe('three shards that end at the same instant, by a power cut, a kill or a stop', () => {
  it('lose nothing confirmed, bring back nothing settled, keep every order, and agree on the metadata', async () => {
    for (let seed = 1; seed <= CUTS; seed++) {
      const failure = await cutShards(seed, 3);
      if (failure !== null) assert.fail(describeFailure(failure));
    }
  });

  it('do the same each time, as all of it follows from the seed', async () => {
    for (const seed of [1, 2, 3]) {
      const runs = [new ShardsRun(seed), new ShardsRun(seed)];
      for (const run of runs) await run.run();
      assert.equal(runs[0].tail(), runs[1].tail());
    }
  });
});

describe('the disk of one of three shards that is full', () => {
  it('holds up its own publishers alone, and loses nothing confirmed', async () => {
    for (let seed = 1; seed <= FULL_DISKS; seed++) {
      const failure = await fillShardDisk(seed, 3);
      if (failure !== null) assert.fail(describeFailure(failure));
    }
  });
});
