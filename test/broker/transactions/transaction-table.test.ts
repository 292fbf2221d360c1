import assert from 'node:assert/strict';
import { it } from 'node:test';
import { TransactionTable } from '../../../src/broker/transactions/transaction-table.ts';

it('a transaction of 140,000 partitions, from before there was a limit, stops no start', () => {
  const table = new TransactionTable();
  const [v, i] = ['/', 'x'];
  table.apply({
    op: 'transaction.producer',
    v,
    i,
    now: [1, 0],
    before: [-1, -1],
    timeoutMs: 1000,
    state: 'empty',
    updatedMs: 1,
  });
  const partitions = Array.from({ length: 140_000 }, (_, id) => id);
  table.apply({ op: 'transaction.grow', v, i, startMs: 1, partitions, groups: [] });
  table.recovered([]);
  assert.equal(table.get(v, i)?.isOngoing, true);
});
