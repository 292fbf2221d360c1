import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { describeFlip, flipOneBit } from './bit-flips.ts';

const FLIPS = 150;

describe('one flipped bit in any file', () => {
  it('is named by the start or by the queue, or nobody misses anything', async () => {
    const outcomes = new Map<string, number>();
    for (let seed = 1; seed <= FLIPS; seed++) {
      const outcome = await flipOneBit(seed);
      const failure = describeFlip(outcome);
      if (failure !== null) assert.fail(failure);
      outcomes.set(String(outcome), (outcomes.get(String(outcome)) ?? 0) + 1);
    }
    assert.deepEqual([...outcomes.keys()].sort(), ['harmless', 'refused', 'reported']);
  });
});
