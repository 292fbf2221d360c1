import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runOutboxes } from '../../crash/outboxes.ts';
import { describeFailure } from '../../crash/power-cut.ts';

/** `npm run test:crash -- --outboxes` runs thousands; these are for every day. */
const SEEDS = 60;

describe('shards whose links lose, repeat, reorder and delay what leaves one for another, and whose power is cut', () => {
  it('have each message once, in order, and each transaction in all of them or in none', async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const failure = await runOutboxes(seed);
      if (failure !== null) assert.fail(describeFailure(failure));
    }
  });
});
