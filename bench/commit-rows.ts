/** The loads under which two commits are compared, and what one run of each finds. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { outputLine } from './child.ts';
import { generate } from './generator.ts';
import type { KafkaLoadFigures, KafkaLoadPlan } from './kafka-generator.ts';
import { RDKAFKA_PERFORMANCE } from './kafka-install.ts';
import { type Load, rdkafkaConsume, rdkafkaProduce } from './kafka-load.ts';
import { processFigures } from './process-figures.ts';
import { scenarios } from './scenarios.ts';
import type { RunningSluice } from './sluice.ts';

export interface RunTimes {
  readonly seconds: number;
  readonly warmupSeconds: number;
}

export interface RunFigures {
  readonly perSecond: number;
  /** Of the broker, user and system, by each message that was consumed or record that was produced or consumed. */
  readonly cpuMicrosPerMessage: number;
  /** What was lost, doubled or refused; empty if nothing was. */
  readonly faults: string;
}

export interface CommitRow {
  readonly title: string;
  readonly isKafka: boolean;
  measure(broker: RunningSluice, times: RunTimes): Promise<RunFigures>;
}

/** Which load the Kafka rows are measured with: one for both commits. */
export const KAFKA_LOAD = existsSync(RDKAFKA_PERFORMANCE)
  ? "librdkafka's rdkafka_performance"
  : 'bench/kafka-generator.ts (rdkafka_performance is not there; `npm run bench -- kafka` builds it)';

export const COMMIT_ROWS: Readonly<Record<string, CommitRow>> = {
  a: amqpRow('a'),
  b100: amqpRow('b100'),
  c: amqpRow('c'),
  'e-persistent': amqpRow('e-persistent'),
  'kafka-produce-100': kafkaRow('produce', 100),
  'kafka-produce-1k': kafkaRow('produce', 1000),
  'kafka-consume-100': kafkaRow('consume', 100),
  'kafka-consume-1k': kafkaRow('consume', 1000),
};

/** All, or those with these names or beginnings of names. */
export function selectRows(names: readonly string[]): string[] {
  const all = Object.keys(COMMIT_ROWS);
  const chosen = names.flatMap((name) => {
    const found = all.includes(name) ? [name] : all.filter((row) => row.startsWith(name));
    if (found.length === 0) throw new Error(`there is no row ${name}; there are ${all.join(', ')}`);
    return found;
  });
  return names.length === 0 ? all : [...new Set(chosen)];
}

/** What the generator needs of the warm-up to be fast itself, when it measures. */
const GENERATOR_WARMUP_SECONDS = 0.5;

function amqpRow(name: string): CommitRow {
  const { title, options } = scenarios[name];
  return {
    title: `AMQP: ${title}`,
    isKafka: false,
    // The first load has the broker compile and grow what it needs; the second is measured, and is all that the processor
    // time of a message is taken from: from its first connection to its last.
    async measure({ url, pid }, { seconds, warmupSeconds }) {
      const load = (duration: number, warmup: number) =>
        generate(url, [...options, '--duration', String(duration), '--warmup', String(warmup)]);
      if (warmupSeconds > 0) await load(warmupSeconds, 0);
      const before = await processFigures(pid);
      const { consumedPerSecond, totals } = await load(seconds, GENERATOR_WARMUP_SECONDS);
      const after = await processFigures(pid);
      const { missing, duplicates, outOfOrder, nacked } = totals;
      const faults = Object.entries({ missing, duplicates, outOfOrder, nacked });
      return {
        perSecond: consumedPerSecond,
        cpuMicrosPerMessage: ((after.cpuSeconds - before.cpuSeconds) * 1e6) / totals.consumed,
        faults: faults
          .filter(([, count]) => count > 0)
          .map(([fault, count]) => `${fault} ${count}`)
          .join(', '),
      };
    },
  };
}

function kafkaRow(mode: KafkaLoadPlan['mode'], recordBytes: number): CommitRow {
  return {
    title: `Kafka: ${mode}, ${recordBytes} B, one partition, ${mode === 'produce' ? 'acks=all' : 'from memory'}`,
    isKafka: true,
    measure(broker, times) {
      if (broker.bootstrap === undefined) throw new Error('the broker has no listener for Kafka clients');
      const load = { mode, bootstrap: broker.bootstrap, brokerPid: broker.pid, recordBytes, ...times };
      return existsSync(RDKAFKA_PERFORMANCE) ? rdkafka(load) : ownGenerator(load);
    },
  };
}

const program = fileURLToPath(new URL('./kafka-generator.ts', import.meta.url));

async function ownGenerator(plan: KafkaLoadPlan): Promise<RunFigures> {
  const text = await outputLine(process.execPath, [program, JSON.stringify(plan)]);
  const { recordsPerSecond, cpuMicrosPerRecord } = JSON.parse(text) as KafkaLoadFigures;
  return { perSecond: recordsPerSecond, cpuMicrosPerMessage: cpuMicrosPerRecord, faults: '' };
}

/** rdkafka_performance ends by count: so many bytes for each second that a run should take. */
const RDKAFKA_BYTES_PER_SECOND = 150e6;

async function rdkafka(plan: KafkaLoadPlan): Promise<RunFigures> {
  const { mode, bootstrap, brokerPid, recordBytes } = plan;
  const loadFor = (topic: string, seconds: number): Load => {
    const records = Math.ceil((seconds * RDKAFKA_BYTES_PER_SECOND) / recordBytes);
    return { bootstrap, topic, records, recordBytes };
  };
  const produce = (load: Load) => rdkafkaProduce(RDKAFKA_PERFORMANCE, load);
  const consume = (load: Load) => rdkafkaConsume(RDKAFKA_PERFORMANCE, load);
  const warmUp = loadFor('warm-up', Math.max(plan.warmupSeconds, 0.1));
  const load = loadFor('load', plan.seconds);
  await produce(warmUp);
  if (mode === 'consume') {
    await consume(warmUp);
    await produce(load);
  }
  const before = await processFigures(brokerPid);
  const rates =
    mode === 'produce' ? [await produce(load)] : await consumeFor(plan.seconds, () => consume(load));
  const after = await processFigures(brokerPid);
  const records = load.records * rates.length;
  return {
    perSecond: rates.length / rates.reduce((sum, rate) => sum + 1 / rate, 0),
    cpuMicrosPerMessage: ((after.cpuSeconds - before.cpuSeconds) * 1e6) / records,
    faults: '',
  };
}

/** From the beginning, again and again: processor time is counted in steps of 10 ms, and one reading may take 100 of them. */
async function consumeFor(seconds: number, consume: () => Promise<number>): Promise<number[]> {
  const deadline = performance.now() + seconds * 1000;
  const rates: number[] = [];
  do rates.push(await consume());
  while (performance.now() < deadline);
  return rates;
}
