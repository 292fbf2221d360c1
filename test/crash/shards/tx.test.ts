import assert from 'node:assert/strict';
import { it } from 'node:test';
import { describeFailure } from '../power-cut.ts';
import { cutTransactions } from './tx.ts';

/** `npm run test:crash -- --shard-transactions N` runs more. */
const SEEDS = 15;

it('AMQP 1.7.2: a tx with acknowledgements of one shard and messages for another is there or not after a power cut of all', async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const failure = await cutTransactions(seed);
    if (failure !== null) assert.fail(describeFailure(failure));
  }
});
