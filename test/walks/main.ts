import { parseArgs } from 'node:util';
import { detoursOf, stepsOf } from './trace.ts';
import { ROOT } from './traced-broker.ts';
import { traceWalks, WALKS, type WalkName } from './walks.ts';

/**
 * Prints which files a message walks through, in the order in which functions of them are first entered:
 *
 *     npm run walks -- [--root CHECKOUT] [--short]
 *
 * Each file counts of which a function runs, those of `base` too; files that only declare types or constants do not run.
 * A file comes twice if a second file calls it on the way down.
 */
const { values } = parseArgs({
  options: { root: { type: 'string', default: ROOT }, short: { type: 'boolean', default: false } },
});
const traced = await traceWalks(values.root);
for (const [name, title] of Object.entries(WALKS)) {
  const entries = traced[name as WalkName];
  const steps = stepsOf(entries);
  const detours = detoursOf(entries);
  const again = new Set(detours.map(({ file }) => file));
  console.log(`\n${title}\n${steps.length} files, ${entries.length} calls, ${again.size} files come twice`);
  for (const [index, { file, functions }] of steps.entries()) {
    const number = String(index + 1).padStart(3);
    console.log(`${number} ${file}${values.short ? '' : `: ${functions.join(', ')}`}`);
  }
  if (values.short) continue;
  const lines = detours.map(({ file, name: called, from }) => `  again ${file} ${called}, from ${from}`);
  for (const line of new Set(lines)) console.log(line);
}
