import { parseArgs } from 'node:util';
import { interruption } from '../interruption.ts';
import { fuzzKafka } from './fuzz.ts';
import { makeKafkaStream } from './streams.ts';

/**
 * Random and broken requests of the Kafka protocol against a broker in a process of its own:
 *
 *     node test/fuzz/kafka/main.ts [--streams N] [--seed N] [--first N] [--workers N] [--show INDEX]
 *
 * SIGINT ends the run with the report so far.
 */
const { values } = parseArgs({
  options: {
    streams: { type: 'string', default: '50000' },
    seed: { type: 'string', default: '1' },
    first: { type: 'string', default: '0' },
    workers: { type: 'string', default: '24' },
    show: { type: 'string' },
  },
});
const seed = Number(values.seed);
if (values.show !== undefined) {
  const { names, bytes, isHostile } = makeKafkaStream(seed, Number(values.show));
  console.log(`${isHostile ? 'hostile' : 'orderly'}: ${names.join(', ')}\n${bytes.toString('hex')}`);
} else {
  const { findings, streams, connections, canary } = await fuzzKafka({
    seed,
    streams: Number(values.streams),
    first: Number(values.first),
    workers: Number(values.workers),
    progress: (text) => console.log(text),
    signal: interruption(),
  });
  for (const finding of findings) console.log(finding);
  console.log(
    `fuzz: ${streams} streams over ${connections} connections, the canary waited ${canary.maxMs.toFixed(0)} ms at ` +
      `most, ${findings.length} findings`,
  );
  if (findings.length > 0) process.exitCode = 1;
}
