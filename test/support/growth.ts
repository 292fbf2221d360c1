import assert from 'node:assert/strict';

const RUNS = 3;
/** Each round makes the quickest run quicker, never slower: a machine that has other things to do needs more of them. */
const ROUNDS_MAX = 5;
/** Between what is linear (or nearly so, and slower where it does not fit into a cache) and what is quadratic. */
const LINEAR_GROWTH_MAX = 40;

/**
 * Ten times as much must take about ten times as much processor time; it would be a hundred times as much if each of them cost a
 * look at all the others. Of all runs the quickest count, as whatever else the machine does makes them slower, and never quicker.
 */
export async function assertLinear(count: number, run: (count: number) => unknown): Promise<void> {
  let [few, many] = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  for (let round = 0; round < ROUNDS_MAX; round++) {
    few = Math.min(few, await quickest(count, run));
    many = Math.min(many, await quickest(10 * count, run));
    if (many < LINEAR_GROWTH_MAX * few) return;
  }
  assert.fail(`ten times as much takes ${many / few} times as long`);
}

async function quickest(count: number, run: (count: number) => unknown): Promise<number> {
  let least = Number.POSITIVE_INFINITY;
  for (let i = 0; i < RUNS; i++) {
    const begun = process.cpuUsage();
    await run(count);
    const { user, system } = process.cpuUsage(begun);
    least = Math.min(least, user + system);
  }
  return least;
}
