/** Alternating runs of Sluice and its peer under the same loads; medians, spread, ratios. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { BenchResult } from '../src/cli/bench/amqp/result.ts';
import { describeMachine, type Machine } from '../src/cli/bench/machine.ts';
import { type BrokerName, startBroker, withDirectory } from './brokers.ts';
import { generate } from './generator.ts';
import { processFigures } from './process-figures.ts';
import { type Scenario, scenarios } from './scenarios.ts';
import { type Spread, spread } from './statistics.ts';

export interface CompareOptions {
  readonly brokers: readonly BrokerName[];
  readonly scenarios: readonly string[];
  readonly runs: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
}

interface Run {
  readonly broker: BrokerName;
  readonly result: BenchResult;
  readonly residentPeakMiB: number;
  /** Of one core, from the broker's start to the end of the run. */
  readonly brokerCpuSeconds: number;
}

interface Row {
  readonly scenario: string;
  readonly title: string;
  readonly figure: string;
  readonly moreIsBetter: boolean;
  readonly target: number;
  readonly byBroker: Partial<Record<BrokerName, Spread>>;
  /** How many times better Sluice is than its peer, by medians; undefined without a peer. */
  readonly ratio: number | undefined;
  /** The same for each pair of neighbouring runs. */
  readonly pairRatios: readonly number[];
}

export interface Comparison {
  readonly machine: Machine;
  readonly at: string;
  readonly options: CompareOptions;
  readonly durability: 'sync';
  readonly rows: readonly Row[];
  readonly runs: Readonly<Record<string, readonly Run[]>>;
}

interface Figure {
  readonly name: string;
  readonly of: (result: BenchResult) => number;
}

const throughput: readonly Figure[] = [{ name: 'consumed/s', of: (r) => r.consumedPerSecond }];
const latencies: readonly Figure[] = [
  { name: 'p50 ms', of: (r) => r.latencyMs?.p50 ?? Number.NaN },
  { name: 'p99 ms', of: (r) => r.latencyMs?.p99 ?? Number.NaN },
  { name: 'p99.9 ms', of: (r) => r.latencyMs?.p999 ?? Number.NaN },
];

export async function compare(options: CompareOptions, note: (text: string) => void): Promise<Comparison> {
  const runs: Record<string, Run[]> = {};
  const rows: Row[] = [];
  for (const key of options.scenarios) {
    const scenario = scenarios[key];
    note(`${key}: ${scenario.title}`);
    runs[key] = [];
    for (let i = 0; i < options.runs; i++) {
      for (const broker of options.brokers) {
        const run = await runOnce(broker, scenario, options);
        runs[key].push(run);
        note(`  ${broker.padEnd(10)}${summary(run)}`);
      }
    }
    rows.push(...toRows(key, scenario, runs[key], options.brokers));
  }
  const at = new Date().toISOString();
  return { machine: describeMachine(), at, options, durability: 'sync', rows, runs };
}

function runOnce(broker: BrokerName, scenario: Scenario, options: CompareOptions): Promise<Run> {
  return withDirectory(async (directory) => {
    const running = await startBroker(broker, directory);
    try {
      const times = ['--duration', String(options.seconds), '--warmup', String(options.warmupSeconds)];
      const result = await generate(running.url, [...scenario.options, ...times]);
      const { residentPeakMiB, cpuSeconds } = await processFigures(running.pid);
      return { broker, result, residentPeakMiB, brokerCpuSeconds: cpuSeconds };
    } finally {
      await running.stop();
    }
  });
}

function toRows(
  key: string,
  scenario: Scenario,
  runs: readonly Run[],
  brokers: readonly BrokerName[],
): Row[] {
  const figures = scenario.measure === 'latency' ? latencies : throughput;
  const moreIsBetter = scenario.measure !== 'latency';
  const times = (ours: number, theirs: number) => (moreIsBetter ? ours / theirs : theirs / ours);
  return figures.map((figure) => {
    const values = (broker: BrokerName) =>
      runs.filter((r) => r.broker === broker).map((r) => figure.of(r.result));
    const byBroker = Object.fromEntries(brokers.map((broker) => [broker, spread(values(broker))]));
    const [us, peer] = [values('sluice'), values('rabbitmq')];
    const both = us.length > 0 && peer.length > 0;
    return {
      scenario: key,
      title: scenario.title,
      figure: figure.name,
      moreIsBetter,
      target: scenario.target,
      byBroker,
      ratio: both ? times(spread(us).median, spread(peer).median) : undefined,
      pairRatios: both ? us.map((value, i) => times(value, peer[i])) : [],
    };
  });
}

function summary({ result, residentPeakMiB }: Run): string {
  const { totals, latencyMs } = result;
  const faults = totals.missing + totals.duplicates + totals.outOfOrder + totals.nacked;
  return [
    `published ${Math.round(result.publishedPerSecond).toLocaleString('en-US')}/s`,
    `consumed ${Math.round(result.consumedPerSecond).toLocaleString('en-US')}/s`,
    latencyMs === undefined ? '' : `p50 ${latencyMs.p50.toFixed(2)} p99.9 ${latencyMs.p999.toFixed(2)} ms`,
    `peak ${residentPeakMiB} MiB`,
    `generator ${result.generatorCores.toFixed(2)} cores`,
    faults > 0
      ? `FAULTS: missing ${totals.missing}, duplicates ${totals.duplicates}, order ${totals.outOfOrder}`
      : '',
  ]
    .filter((part) => part !== '')
    .join(', ');
}

export function formatComparison(comparison: Comparison): string {
  const { machine, options } = comparison;
  const lines = [
    `${machine.cpu}, ${machine.cores} cores, ${machine.memoryMiB} MiB, ${machine.system}, node ${machine.node}`,
    `median (min–max) of ${options.runs} alternating runs of ${options.seconds} s, durability sync, load generator on the same machine`,
    '',
    `${'scenario'.padEnd(14)}${'figure'.padEnd(12)}${options.brokers.map((b) => b.padEnd(34)).join('')}ratio (pairs)`,
  ];
  for (const row of comparison.rows) {
    const cells = options.brokers.map((broker) => cell(row.byBroker[broker]).padEnd(34)).join('');
    lines.push(`${row.scenario.padEnd(14)}${row.figure.padEnd(12)}${cells}${ratios(row)}`);
  }
  return lines.join('\n');
}

function cell(value: Spread | undefined): string {
  return value === undefined ? '' : `${number(value.median)} (${number(value.min)}–${number(value.max)})`;
}

function ratios(row: Row): string {
  if (row.ratio === undefined) return '';
  const verdict = row.ratio >= row.target ? 'met' : 'MISSED';
  return `${row.ratio.toFixed(2)}× (${row.pairRatios.map((r) => r.toFixed(2)).join(', ')})  target ${row.target}×: ${verdict}`;
}

function number(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString('en-US') : value.toFixed(2);
}

/** Writes a result to `bench-results/`, which is not part of the repository; returns the file's name. */
export async function saveResult(name: string, result: unknown): Promise<string> {
  await mkdir('bench-results', { recursive: true });
  const file = join('bench-results', `${name}-${new Date().toISOString().replace(/[:.]/g, '-')}.json`);
  await writeFile(file, `${JSON.stringify(result, null, 2)}\n`);
  return file;
}
