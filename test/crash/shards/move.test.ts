import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { describeFailure } from '../power-cut.ts';
import { cutShardMoves } from './move.ts';

/** `npm run test:crash -- --shard-moves N` runs thousands; these are for every day. */
const RUNS = 5;

describe('a move to fewer shards that is interrupted at any moment, by a power cut or a kill', () => {
  it('leaves every message in one place, goes on at the next start, and lets the old number start as well', async () => {
    for (let seed = 1; seed <= RUNS; seed++) {
      const failure = await cutShardMoves(seed);
      if (failure !== null) assert.fail(describeFailure(failure));
    }
  });
});
