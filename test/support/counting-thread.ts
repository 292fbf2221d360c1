/** A thread that counts in a table together with others, and tells the sums that it has added at the end. */
import { parentPort, workerData } from 'node:worker_threads';
import { SharedTable, type SharedTableMemory } from '../../src/base/shared-table.ts';
import { seededRandom } from './seeded-random.ts';

export interface CountingThreadData {
  readonly memory: SharedTableMemory;
  readonly number: number;
  readonly count: number;
  readonly names: readonly string[];
  readonly steps: number;
}

const { memory, number, count, names, steps } = workerData as CountingThreadData;
const table = new SharedTable(memory, { number, count });
const random = seededRandom(number + 1);
/** Claims and releases the names again and again; in the end each is held with `number + 1` in it. */
for (let step = 0; step < steps; step++) {
  const name = names[Math.floor(random() * names.length)] as string;
  const row = table.claim(name);
  row.add(0, step);
  row.add(0, -step);
  row.release();
}
const rows = names.map((name) => table.claim(name));
for (const row of rows) row.add(0, number + 1);
parentPort?.postMessage('counted');
// Until the test has looked at it.
parentPort?.once('message', () => {
  for (const row of rows) {
    row.add(0, -(number + 1));
    row.release();
  }
  parentPort?.postMessage('released');
});
