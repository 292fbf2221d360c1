import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import { ALONE_ROW, type Row } from '../../src/base/counter.ts';
import { SharedCounters } from '../../src/base/shared-counters.ts';
import { SharedTable } from '../../src/base/shared-table.ts';
import type { CountingThreadData } from '../support/counting-thread.ts';

const SHARDS = 3;

function tables(capacity: number, columns = 2): SharedTable[] {
  const memory = SharedTable.memory(capacity, columns, SHARDS);
  return Array.from({ length: SHARDS }, (_, number) => new SharedTable(memory, { number, count: SHARDS }));
}

describe('counters that threads share', () => {
  it('are for each shard what the others have set last', () => {
    const step = fc.record({
      shard: fc.nat(SHARDS - 1),
      cell: fc.nat(10),
      value: fc.nat(2 ** 50),
      isAdded: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const memory = SharedCounters.memory(11, SHARDS);
        const shards = Array.from(
          { length: SHARDS },
          (_, number) => new SharedCounters(memory, { number, count: SHARDS }),
        );
        const expected = shards.map(() => new Array<number>(11).fill(0));
        for (const { shard, cell, value, isAdded } of steps) {
          const own = expected[shard] as number[];
          if (isAdded) shards[shard]?.add(cell, value);
          else shards[shard]?.counter(cell).set(value);
          own[cell] = isAdded ? (own[cell] as number) + value : value;
        }
        for (const [number, shard] of shards.entries()) {
          for (let cell = 0; cell < 11; cell++) {
            const others = expected.filter((_, i) => i !== number).map((own) => own[cell] as number);
            assert.equal(
              shard.counter(cell).others,
              others.reduce((a, b) => a + b, 0),
            );
            assert.equal(shard.counter(cell).largestOther, Math.max(...others));
          }
        }
      }),
    );
  });
});

describe('a table of counters that threads share', () => {
  it('counts by name in all shards, and is empty when all is released, whoever comes and goes in between', () => {
    const step = fc.record({
      shard: fc.nat(SHARDS - 1),
      name: fc.constantFrom('ada', 'bob', 'a user', 'vhost /', 'eve', ''),
      column: fc.nat(1),
      amount: fc.integer({ min: -5, max: 9 }),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const shards = tables(16);
        const held = shards.map(() => new Map<string, { row: Row; own: number[] }>());
        for (const { shard, name, column, amount } of steps) {
          const rows = held[shard] as Map<string, { row: Row; own: number[] }>;
          const entry = rows.get(name) ?? { row: (shards[shard] as SharedTable).claim(name), own: [0, 0] };
          // Below 0: all of it goes.
          const difference = amount < 0 ? -(entry.own[column] as number) : amount;
          entry.row.add(column, difference);
          entry.own[column] = (entry.own[column] as number) + difference;
          rows.set(name, entry);
          if (entry.own.every((own) => own === 0)) {
            entry.row.release();
            rows.delete(name);
          }
          for (const [number, table] of shards.entries()) {
            const others = held.reduce(
              (sum, each, i) => sum + (i === number ? 0 : (each.get(name)?.own[column] ?? 0)),
              0,
            );
            assert.equal(table.others(name, column), others);
            const own = (held[number] as typeof rows).get(name);
            if (own !== undefined) assert.equal(own.row.others(column), others);
          }
          assert.equal(shards[0]?.size, new Set(held.flatMap((each) => [...each.keys()])).size);
        }
      }),
    );
  });

  it('that is full has names counted by each shard for itself, until there is room', () => {
    const [first, second] = tables(2) as [SharedTable, SharedTable];
    const rows = ['a', 'b'].map((name) => first.claim(name));
    assert.equal(second.claim('c'), ALONE_ROW);
    const again = second.claim('a');
    rows[0]?.add(0, 4);
    assert.equal(again.others(0), 4);
    rows[1]?.release();
    const late = second.claim('c');
    late.add(1, 7);
    assert.equal(first.others('c', 1), 7);
  });

  it('is right after threads have claimed and released the same names at once', async () => {
    const names = Array.from({ length: 40 }, (_, i) => `name ${i}`);
    const memory = SharedTable.memory(48, 1, SHARDS + 1);
    const here = new SharedTable(memory, { number: SHARDS, count: SHARDS + 1 });
    const threads = Array.from({ length: SHARDS }, (_, number) => {
      const workerData: CountingThreadData = { memory, number, count: SHARDS + 1, names, steps: 20_000 };
      return new Worker(new URL('../support/counting-thread.ts', import.meta.url), { workerData });
    });
    await Promise.all(threads.map((thread) => once(thread, 'message')));
    assert.equal(here.size, names.length);
    assert.deepEqual(
      names.map((name) => here.others(name, 0)),
      names.map(() => 1 + 2 + 3),
    );
    const released = Promise.all(threads.map((thread) => once(thread, 'message')));
    for (const thread of threads) thread.postMessage('release');
    await released;
    assert.equal(here.size, 0);
    await Promise.all(threads.map((thread) => thread.terminate()));
  });
});
