import assert from 'node:assert/strict';
import { it } from 'node:test';
import { describeFailure } from '../power-cut.ts';
import { cutKafkaTransactions } from './transactions.ts';

/** `npm run test:crash -- --kafka-transactions N` runs more. */
const SEEDS = 15;

it('transactions that a power cut without durability has torn apart do not hang', async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const failure = await cutKafkaTransactions(seed, { mode: 'os' });
    if (failure !== null) assert.fail(describeFailure(failure));
  }
});

it('KIP-98: a transaction over partitions of several shards is there or not, as a whole, after power cuts of all', async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const failure = await cutKafkaTransactions(seed);
    if (failure !== null) assert.fail(describeFailure(failure));
  }
});
