import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { describeFailure, runPowerCuts } from './power-cut.ts';

/** `npm run test:crash` runs thousands; these are for every day. */
const SEEDS = 150;
/** What found something that the first ones did not: a sync that failed, and a later one that did not. */
const FOUND_SOMETHING = [3690];

describe('a power cut, a kill or a stop at any instant', () => {
  it('loses nothing confirmed, brings back nothing settled, splits no transaction and keeps every order', async () => {
    const seeds = [...Array.from({ length: SEEDS }, (_, index) => index + 1), ...FOUND_SOMETHING];
    for (const seed of seeds) {
      const failure = await runPowerCuts(seed);
      if (failure !== null) assert.fail(describeFailure(failure));
    }
  });
});
