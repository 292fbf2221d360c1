import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { describeFailure, runPowerCuts } from './power-cut.ts';

/** `npm run test:crash` runs thousands; these are for every day. */
const SEEDS = 150;

describe('a power cut, a kill or a stop at any instant', () => {
  it('loses nothing confirmed, brings back nothing settled, splits no transaction and keeps every order', async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const failure = await runPowerCuts(seed);
      if (failure !== null) assert.fail(describeFailure(failure));
    }
  });
});
