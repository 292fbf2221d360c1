import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { describeFailure, outcomeOf } from './power-cut.ts';
import { ReplicaRun } from './replica-run.ts';

/** `npm run test:crash` runs thousands; these are for every day. */
const SEEDS = 40;

describe('a broker that follows the journal of another, and takes over when that ends', () => {
  it('has all that was confirmed, and in order, also if it lost its power and came back meanwhile', async () => {
    let resumed = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      const run = new ReplicaRun(seed);
      const failure = await outcomeOf(run, seed);
      if (failure !== null) assert.fail(describeFailure(failure));
      resumed += run.resumed;
    }
    assert.ok(
      resumed > SEEDS,
      `${resumed} of them began with a snapshot that they had taken while they followed`,
    );
  });
});
