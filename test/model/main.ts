import { parseArgs } from 'node:util';
import { describeFailure, runSeed, textOf } from './seeds.ts';

/**
 * Random operations on a broker and on a model of it, seed after seed:
 *
 *     npm run test:model -- [--seeds N] [--seed FIRST] [--operations N] [--shards N]
 *
 * A failing one is printed with the least of its operations that still fail.
 */
const FAILURES_SHOWN = 3;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '5000' },
    seed: { type: 'string', default: '1' },
    operations: { type: 'string', default: '100' },
    shards: { type: 'string', default: '1' },
    all: { type: 'boolean', default: false },
  },
});
const count = Number(values.seeds);
const first = Number(values.seed);
let failed = 0;
for (let seed = first; seed < first + count; seed++) {
  const failure = await runSeed(seed, Number(values.operations), Number(values.shards));
  if (failure === null) continue;
  failed++;
  if (failed <= FAILURES_SHOWN) console.log(`${await describeFailure(failure)}\n`);
  else if (values.all) console.log(`seed ${seed}: ${textOf(failure.error)}`);
  else break;
}
console.log(`model: ${count - failed} passed, ${failed} failed`);
if (failed > 0) process.exitCode = 1;
