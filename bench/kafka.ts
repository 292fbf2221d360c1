/** Sluice beside Apache Kafka, in turns, under the load generators of Kafka and of librdkafka. */
import { execFileSync, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { describeMachine, type Machine } from '../src/cli/bench/machine.ts';
import { type BrokerName, type RunningBroker, startBroker, startSluice, withDirectory } from './brokers.ts';
import { end, running } from './child.ts';
import {
  consumerPerformance,
  type Load,
  producerPerformance,
  rdkafkaConsume,
  rdkafkaProduce,
} from './kafka-load.ts';
import { processFigures } from './process-figures.ts';
import { type Spread, spread } from './statistics.ts';

export interface KafkaPlan {
  readonly brokers: readonly BrokerName[];
  readonly runs: number;
  /** Of 100 bytes; of those of 1 KB a fifth. */
  readonly records: number;
  /** For the consumer that has fallen far behind. */
  readonly backlogGiB: number;
  /** The path of rdkafka_performance. */
  readonly rdkafka: string | undefined;
  /** Parts of the names of the figures to take; all if there are none. */
  readonly only: readonly string[];
}

export interface KafkaResult {
  readonly machine: Machine;
  readonly plan: KafkaPlan;
  readonly runs: Readonly<Record<string, Readonly<Partial<Record<BrokerName, readonly number[]>>>>>;
  readonly text: string;
}

interface Figure {
  readonly isLess?: true;
  /** How many times better than Kafka we want to be. */
  readonly target?: number;
}

/** In the order in which a run takes them; each belongs to the load of which its name tells. */
const FIGURES: Readonly<Record<string, Figure>> = {
  'produce 100 B, records/s': { target: 1.3 },
  'produce 1 KB, records/s': { target: 1.05 },
  'consume 100 B from memory, records/s': { target: 1.05 },
  'consume 1 KB from memory, records/s': { target: 1.05 },
  'librdkafka produce 100 B, records/s': { target: 1.3 },
  'librdkafka produce 1 KB, records/s': { target: 1.3 },
  'librdkafka consume 100 B, records/s': { target: 1.05 },
  'librdkafka consume 1 KB, records/s': { target: 1.05 },
  '20 MB/s offered, p50 ms': { isLess: true },
  '20 MB/s offered, p99 ms': { isLess: true, target: 2.5 },
  '20 MB/s offered, p99.9 ms': { isLess: true },
  'beside a busy loop, 20 MB/s offered, p99 ms': { isLess: true, target: 1 },
  'first 15 s of a broker, 20 MB/s offered, p99 ms': { isLess: true, target: 1 },
  'consume 1 KB from disk, records/s': { target: 1.05 },
  'librdkafka consume 1 KB from disk, records/s': { target: 1.05 },
  'resident MiB at the end': { isLess: true, target: 3 },
  'resident MiB, highest': { isLess: true },
};

type Take = (name: string, value: number) => void;
type Wanted = (part: string) => boolean;

export async function measureKafka(plan: KafkaPlan, note: (text: string) => void): Promise<KafkaResult> {
  const runs: Record<string, Partial<Record<BrokerName, number[]>>> = {};
  for (let run = 0; run < plan.runs; run++) {
    for (const name of plan.brokers) {
      note(`${name}, run ${run + 1}`);
      await measure(name, plan, (figure, value) => {
        ((runs[figure] ??= {})[name] ??= []).push(value);
        note(`  ${figure.padEnd(46)}${amount(value)}`);
      });
    }
  }
  const machine = describeMachine();
  return { machine, plan, runs, text: format(machine, plan, runs) };
}

async function measure(name: BrokerName, plan: KafkaPlan, take: Take): Promise<void> {
  const isWanted = (part: string) =>
    Object.keys(FIGURES).some(
      (figure) => figure.startsWith(part) && plan.only.every((each) => figure.includes(each)),
    );
  if (isWanted('first 15 s')) await coldStart(name, take);
  await withDirectory(async (directory) => {
    const broker = await start(name, directory);
    try {
      await warmUp(broker, directory);
      await kafkaTools(broker, directory, plan, isWanted, take);
      if (plan.rdkafka !== undefined) await librdkafka(plan.rdkafka, broker, plan, isWanted, take);
      if (isWanted('20 MB/s')) await steadyLoad(broker, directory, take);
      if (isWanted('beside a busy loop')) await besideBusyLoop(broker, directory, take);
      if (isWanted('consume 1 KB from disk')) await catchUp(broker, directory, plan, take);
      const { residentMiB, residentPeakMiB } = await processFigures(broker.pid);
      take('resident MiB at the end', residentMiB);
      take('resident MiB, highest', residentPeakMiB);
    } finally {
      await broker.stop();
    }
  });
}

function start(name: BrokerName, directory: string): Promise<RunningBroker> {
  return name === 'sluice' ? startSluice(directory, ['--kafka-port', '0']) : startBroker(name, directory);
}

function loadOf(broker: RunningBroker, topic: string, records: number, recordBytes: number): Load {
  if (broker.bootstrap === undefined) throw new Error(`${broker.name} has no listener for Kafka clients`);
  return { bootstrap: broker.bootstrap, topic, records, recordBytes };
}

/** Java compiles as it runs, and so does Node. */
async function warmUp(broker: RunningBroker, directory: string): Promise<void> {
  const load = loadOf(broker, 'warm-up', 500_000, 100);
  await producerPerformance(load, -1, directory);
  await consumerPerformance(load);
}

const SIZES = [
  { title: '100 B', recordBytes: 100, share: 1 },
  { title: '1 KB', recordBytes: 1000, share: 0.2 },
];

async function kafkaTools(
  broker: RunningBroker,
  directory: string,
  plan: KafkaPlan,
  isWanted: Wanted,
  take: Take,
): Promise<void> {
  for (const { title, recordBytes, share } of SIZES) {
    if (!isWanted(`produce ${title}`) && !isWanted(`consume ${title} from memory`)) continue;
    const load = loadOf(broker, `java-${recordBytes}`, plan.records * share, recordBytes);
    const { recordsPerSecond } = await producerPerformance(load, -1, directory);
    take(`produce ${title}, records/s`, recordsPerSecond);
    take(`consume ${title} from memory, records/s`, await consumerPerformance(load));
  }
}

async function librdkafka(
  program: string,
  broker: RunningBroker,
  plan: KafkaPlan,
  isWanted: Wanted,
  take: Take,
): Promise<void> {
  for (const { title, recordBytes, share } of SIZES) {
    if (!isWanted(`librdkafka produce ${title}`) && !isWanted(`librdkafka consume ${title}`)) continue;
    const load = loadOf(broker, `c-${recordBytes}`, plan.records * share, recordBytes);
    take(`librdkafka produce ${title}, records/s`, await rdkafkaProduce(program, load));
    take(`librdkafka consume ${title}, records/s`, await rdkafkaConsume(program, load));
  }
}

/** Of 1 KB: 20 MB/s. */
const STEADY_PER_SECOND = 20_000;

async function steadyLoad(broker: RunningBroker, directory: string, take: Take): Promise<void> {
  const load = loadOf(broker, 'steady', 20 * STEADY_PER_SECOND, 1000);
  const { p50Ms, p99Ms, p999Ms } = await producerPerformance(load, STEADY_PER_SECOND, directory);
  take('20 MB/s offered, p50 ms', p50Ms);
  take('20 MB/s offered, p99 ms', p99Ms);
  take('20 MB/s offered, p99.9 ms', p999Ms);
}

/** As on a machine that has more to do: one core of it is always taken. */
async function besideBusyLoop(broker: RunningBroker, directory: string, take: Take): Promise<void> {
  const loop = spawn(process.execPath, ['-e', 'for (;;);'], { stdio: 'ignore' });
  running.set(loop, () => end(loop, loop.pid, 'SIGKILL'));
  try {
    const load = loadOf(broker, 'busy', 15 * STEADY_PER_SECOND, 1000);
    const { p99Ms } = await producerPerformance(load, STEADY_PER_SECOND, directory);
    take('beside a busy loop, 20 MB/s offered, p99 ms', p99Ms);
  } finally {
    await end(loop, loop.pid, 'SIGKILL');
  }
}

/** The first that a broker does, from its first connection on; the generator is as cold, for both. */
function coldStart(name: BrokerName, take: Take): Promise<void> {
  return withDirectory(async (directory) => {
    const broker = await start(name, directory);
    try {
      const load = loadOf(broker, 'cold', 15 * STEADY_PER_SECOND, 1000);
      const { p99Ms } = await producerPerformance(load, STEADY_PER_SECOND, directory, 0);
      take('first 15 s of a broker, 20 MB/s offered, p99 ms', p99Ms);
    } finally {
      await broker.stop();
    }
  });
}

/** A consumer that begins when the data are on the disk, and neither in the broker nor in the page cache. */
async function catchUp(broker: RunningBroker, directory: string, plan: KafkaPlan, take: Take): Promise<void> {
  const load = loadOf(broker, 'backlog', Math.round((plan.backlogGiB * 2 ** 30) / 1000), 1000);
  if (plan.rdkafka === undefined) await producerPerformance(load, -1, directory);
  else await rdkafkaProduce(plan.rdkafka, load);
  dropPageCache();
  take('consume 1 KB from disk, records/s', await consumerPerformance(load));
  if (plan.rdkafka === undefined) return;
  dropPageCache();
  take('librdkafka consume 1 KB from disk, records/s', await rdkafkaConsume(plan.rdkafka, load));
}

/** As root only; without, the page cache serves both brokers alike. */
function dropPageCache(): void {
  execFileSync('sync');
  try {
    writeFileSync('/proc/sys/vm/drop_caches', '1');
  } catch {
    // Not allowed.
  }
}

function format(machine: Machine, plan: KafkaPlan, runs: KafkaResult['runs']): string {
  const lines = [
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryMiB} MiB, ${machine.system}, node ${machine.node}`,
    `median (min–max) of ${plan.runs} alternating runs; acks=all, one partition; Sluice with a sync on each commit, Kafka with its defaults`,
    '',
    `${'figure'.padEnd(46)}${plan.brokers.map((name) => name.padEnd(34)).join('')}ratio (pairs)`,
  ];
  for (const [name, figure] of Object.entries(FIGURES)) {
    const byBroker = runs[name];
    if (byBroker === undefined) continue;
    const cells = plan.brokers.map((broker) => cell(byBroker[broker]).padEnd(34)).join('');
    lines.push(`${name.padEnd(46)}${cells}${ratio(figure, byBroker.sluice, byBroker.kafka)}`);
  }
  return lines.join('\n');
}

function cell(values: readonly number[] | undefined): string {
  if (values === undefined) return '';
  const { median, min, max }: Spread = spread(values);
  return `${amount(median)} (${amount(min)}–${amount(max)})`;
}

function ratio(
  figure: Figure,
  ours: readonly number[] | undefined,
  theirs: readonly number[] | undefined,
): string {
  if (ours === undefined || theirs === undefined) return '';
  const times = (a: number, b: number) => (figure.isLess ? b / a : a / b);
  const median = times(spread(ours).median, spread(theirs).median);
  const pairs = ours.map((value, i) => times(value, theirs[i]).toFixed(2)).join(', ');
  const { target } = figure;
  const verdict = target === undefined ? '' : `  target ${target}×: ${median >= target ? 'met' : 'MISSED'}`;
  return `${median.toFixed(2)}× (${pairs})${verdict}`;
}

function amount(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString('en-US') : String(value);
}
