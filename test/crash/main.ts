import { parseArgs } from 'node:util';
import { describeFailure, runPowerCuts } from './power-cut.ts';

/**
 * The long forms of the crash tests, phase after phase; each ends with a line `<phase>: N passed, N failed`.
 *
 *     npm run test:crash -- [--power-cuts N] [--seed N]
 *
 * Without a phase named, all run. `--seed` is the first seed; a failing one is printed with what happened before.
 */
const PHASES: Readonly<
  Record<string, { readonly runs: number; readonly run: (seed: number) => Promise<string | null> }>
> = {
  'power-cuts': {
    runs: 10_000,
    run: async (seed) => {
      const failure = await runPowerCuts(seed);
      return failure === null ? null : describeFailure(failure);
    },
  },
};
const FAILURES_SHOWN = 3;

const options = Object.fromEntries(
  [...Object.keys(PHASES), 'seed'].map((name) => [name, { type: 'string' } as const]),
);
const { values } = parseArgs({ options });
const firstSeed = Number(values.seed ?? 1);
const wanted = Object.keys(PHASES).filter((name) => values[name] !== undefined);

let hasFailed = false;
for (const name of wanted.length > 0 ? wanted : Object.keys(PHASES)) {
  const { runs, run } = PHASES[name]!;
  const count = Number(values[name] ?? runs);
  let failed = 0;
  for (let seed = firstSeed; seed < firstSeed + count; seed++) {
    const failure = await run(seed);
    if (failure === null) continue;
    failed++;
    if (failed <= FAILURES_SHOWN) console.log(`${name}, ${failure}\n`);
  }
  console.log(`${name}: ${count - failed} passed, ${failed} failed`);
  hasFailed ||= failed > 0;
}
process.exitCode = hasFailed ? 1 : 0;
