import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fillDisk } from './full-disk.ts';
import { describeFailure } from './power-cut.ts';

const SEEDS = 100;

describe('a disk that becomes full at any instant', () => {
  it('costs nothing confirmed, blocks publishers, and is over without a restart when there is space again', async () => {
    for (let seed = 1; seed <= SEEDS; seed++) {
      const failure = await fillDisk(seed);
      if (failure !== null) assert.fail(describeFailure(failure));
    }
  });
});
