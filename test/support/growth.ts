const RUNS = 3;

/**
 * How many times as much processor time ten times as much takes: about ten, or a hundred if each of them costs a look at all the
 * others. Of three runs the quickest counts, as a machine that has other things to do makes them slower, and never quicker.
 */
export async function growth(count: number, run: (count: number) => unknown): Promise<number> {
  return (await quickest(10 * count, run)) / (await quickest(count, run));
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

/** Between what is linear (or nearly so, and slower where it does not fit into a cache) and what is quadratic. */
export const LINEAR_GROWTH_MAX = 40;
