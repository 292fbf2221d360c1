import { parseArgs } from 'node:util';
import { fuzz, mib } from './fuzz.ts';
import { interruption } from './interruption.ts';
import { makeStream } from './streams.ts';

/**
 * Broken and random sessions against a broker in a process of its own:
 *
 *     npm run test:fuzz -- [--streams N] [--seed N] [--only INDEX|FIRST-LAST] [--workers N]
 *
 * A finding names the stream that caused it, if that is known; `--only` sends that one alone, and shows its bytes.
 * What it needs that streams before it declared is there if these are sent too: as a range, one after the other.
 * SIGINT ends the run with the report so far.
 */
const { values } = parseArgs({
  options: {
    streams: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    only: { type: 'string' },
    workers: { type: 'string', default: '48' },
  },
});
const seed = Number(values.seed);
const [first = 0, last = first] = (values.only ?? '').split('-').filter(Boolean).map(Number);
if (values.only !== undefined) {
  const stream = makeStream(seed, last, 1);
  console.log(`${stream.kind}, ${stream.bytes.length} bytes:\n${stream.bytes.toString('hex')}`);
}
const report = await fuzz({
  seed,
  ...(values.only === undefined
    ? { streams: Number(values.streams), workers: Number(values.workers) }
    : { first, streams: last - first + 1, workers: 1, checkpoints: 1 }),
  progress: (text) => console.log(text),
  signal: interruption(),
});
const { canary, checkpoints, findings } = report;
for (const finding of findings) console.log(finding);
for (const { streams, heapBytes, residentBytes } of checkpoints) {
  console.log(`after ${streams}: heap ${mib(heapBytes)}, resident ${mib(residentBytes)}`);
}
console.log(
  `canary: ${canary.messages} messages, p99 ${canary.p99Ms.toFixed(1)} ms, max ${canary.maxMs.toFixed(1)} ms`,
);
console.log(
  `fuzz: ${report.streams} streams over ${report.connections} connections in ${report.seconds.toFixed(1)} s, ` +
    `${findings.length} findings`,
);
if (findings.length > 0) process.exitCode = 1;
