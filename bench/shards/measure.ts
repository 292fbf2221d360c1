/** `npm run bench -- shards`: what several shards cost and carry. */
import { describeMachine, type Machine } from '../../src/cli/bench/machine.ts';
import { type Spread, spread } from '../statistics.ts';
import { type CostFigures, measurePlacement, PLACEMENTS } from './cost.ts';
import { type ModelRow, modelOf } from './model.ts';

/** Of a core, for the event loop of each shard: two of them leave most of two cores to the load generator. */
const SHARE = 0.25;
const MODEL_SHARDS = [2, 4, 8, 16];

export interface ShardsResult {
  readonly machine: Machine;
  readonly runs: Readonly<Record<string, readonly CostFigures[]>>;
  readonly model: readonly ModelRow[];
  readonly text: string;
}

export async function measureShards(
  rounds: number,
  seconds: number,
  persistent: boolean,
  note: (text: string) => void,
): Promise<ShardsResult> {
  const runs: Record<string, CostFigures[]> = {};
  for (let round = 0; round < rounds; round++) {
    // There and back, so that what the machine does meanwhile meets all of them.
    const order = round % 2 === 0 ? PLACEMENTS : PLACEMENTS.toReversed();
    for (const placement of order) {
      const figures = await measurePlacement(placement, SHARE, seconds, persistent);
      (runs[placement.name] ??= []).push(figures);
      const { messagesPerSecond, cpuMicrosPerMessage } = figures;
      note(`${placement.name}: ${Math.round(messagesPerSecond)}/s, ${cpuMicrosPerMessage.toFixed(2)} µs`);
    }
  }
  const [one, same, , other] = PLACEMENTS.map(({ name }) => runs[name]);
  const model = MODEL_SHARDS.map((shards) =>
    modelOf({ oneShard: cpuOf(one), sameShard: cpuOf(same), otherShard: cpuOf(other) }, shards),
  );
  const machine = describeMachine();
  return { machine, runs, model, text: format(machine, runs, model) };
}

function cpuOf(runs: readonly CostFigures[]): number {
  return spread(runs.map(({ cpuMicrosPerMessage }) => cpuMicrosPerMessage)).median;
}

function format(machine: Machine, runs: ShardsResult['runs'], model: readonly ModelRow[]): string {
  const [first] = Object.values(runs);
  const cpuOfOne = cpuOf(first);
  const rateOfOne = spread(first.map(({ messagesPerSecond }) => messagesPerSecond)).median;
  const rows = Object.entries(runs).map(([name, all]) => {
    const rate = spread(all.map(({ messagesPerSecond }) => messagesPerSecond));
    const cpu = spread(all.map(({ cpuMicrosPerMessage }) => cpuMicrosPerMessage));
    const times = `${(rate.median / rateOfOne).toFixed(2)} times the messages, ${(cpu.median / cpuOfOne).toFixed(2)} times the processor time of each`;
    return `${name}\n  ${range(rate, 0)}/s, ${range(cpu, 2)} µs of processor time a message: ${times}`;
  });
  const modelRows = model.map(
    ({ shards, together, anywhere }) =>
      `  ${String(shards).padStart(2)} shards on as many cores: ${together.toFixed(1)} times one, ${anywhere.toFixed(1)} times with clients anywhere`,
  );
  return [
    `${machine.cpu}, ${machine.cores} cores; event loops held to ${SHARE} of a core each; 100 B, confirms, two queues`,
    ...rows,
    'A model, not a measurement (an upper bound: it leaves out what cores share):',
    ...modelRows,
  ].join('\n');
}

function range({ median, min, max }: Spread, digits: number): string {
  return `${median.toFixed(digits)} (${min.toFixed(digits)}–${max.toFixed(digits)})`;
}
