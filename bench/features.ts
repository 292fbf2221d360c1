/** What time to live, priorities and dead-lettering cost: the same load on a plain queue and on ones with a feature. */
import { describeMachine, type Machine } from '../src/cli/bench/machine.ts';
import { startSluice, withDirectory } from './brokers.ts';
import { generate } from './generator.ts';
import { type Spread, spread } from './statistics.ts';

const LOADS: Readonly<Record<string, readonly string[]>> = {
  transient: ['--auto-ack', '--size', '16'],
  persistent: [
    ...['--persistent', '--size', '100', '--confirm', '200'],
    ...['--prefetch', '200', '--ack-every', '10'],
  ],
};

const FEATURES: Readonly<Record<string, readonly string[]>> = {
  plain: [],
  'queue TTL': ['--queue-arguments', '{"x-message-ttl":60000}'],
  'message TTL': ['--expiration', '60000'],
  priorities: ['--queue-arguments', '{"x-max-priority":10}', '--priorities', '10'],
  'dead letters': ['--dead-letter'],
};

export interface FeaturesResult {
  readonly machine: Machine;
  /** Consumed messages a second, by load and feature. */
  readonly rates: Readonly<Record<string, Readonly<Record<string, Spread>>>>;
  readonly text: string;
}

/** The features take turns in each round, so that what the machine does meanwhile meets all of them. */
export async function measureFeatures(
  runs: number,
  seconds: number,
  note: (text: string) => void,
): Promise<FeaturesResult> {
  const rates: Record<string, Record<string, Spread>> = {};
  for (const [load, options] of Object.entries(LOADS)) {
    const measured: Record<string, number[]> = {};
    for (let run = 0; run < runs; run++) {
      for (const [feature, more] of Object.entries(FEATURES)) {
        const rate = await measure([...options, ...more], seconds);
        (measured[feature] ??= []).push(rate);
        note(`${load}, ${feature}: ${Math.round(rate)}/s`);
      }
    }
    rates[load] = Object.fromEntries(Object.entries(measured).map(([name, all]) => [name, spread(all)]));
  }
  const machine = describeMachine();
  return { machine, rates, text: format(machine, rates) };
}

function measure(options: readonly string[], seconds: number): Promise<number> {
  return withDirectory(async (directory) => {
    const broker = await startSluice(directory);
    try {
      const times = ['--duration', String(seconds), '--warmup', '1'];
      const result = await generate(broker.url, [...options, ...times]);
      return result.consumedPerSecond;
    } finally {
      await broker.stop();
    }
  });
}

function format(machine: Machine, rates: FeaturesResult['rates']): string {
  const lines = [`${machine.cpu}, ${machine.cores} cores, node ${machine.node}, durability sync`];
  for (const [load, byFeature] of Object.entries(rates)) {
    const plain = byFeature.plain.median;
    for (const [feature, { median, min, max }] of Object.entries(byFeature)) {
      const share = ((100 * median) / plain).toFixed(0);
      const range = `${Math.round(min)} to ${Math.round(max)}`;
      lines.push(`${load.padEnd(12)}${feature.padEnd(14)}${Math.round(median)}/s (${range})  ${share} %`);
    }
  }
  return lines.join('\n');
}
