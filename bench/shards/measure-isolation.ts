/** `npm run bench -- shard-isolation` */
import { describeMachine, type Machine } from '../../src/cli/bench/machine.ts';
import { DISTURBANCES, type IsolationFigures, measureIsolation } from './isolation.ts';

export interface IsolationResult {
  readonly machine: Machine;
  readonly figures: Readonly<Record<string, IsolationFigures>>;
  readonly text: string;
}

export async function measureIsolationOfAll(
  rounds: number,
  seconds: number,
  note: (text: string) => void,
): Promise<IsolationResult> {
  const figures: Record<string, IsolationFigures> = {};
  for (const disturbance of DISTURBANCES) {
    const each = await measureIsolation(disturbance, rounds, seconds);
    figures[disturbance.name] = each;
    note(line(disturbance.name, each));
  }
  const machine = describeMachine();
  const title = `${machine.cpu}, ${machine.cores} cores; a queue in shard 2 at 500 persistent messages a second, in turns without and with`;
  const text = [title, ...Object.entries(figures).map(([name, each]) => line(name, each))].join('\n');
  return { machine, figures, text };
}

function line(name: string, { quiet, disturbed, disturbancePerSecond }: IsolationFigures): string {
  const ratio = (disturbed.p99Ms / quiet.p99Ms).toFixed(2);
  return (
    `${name} in shard 1 (${Math.round(disturbancePerSecond)} messages a second there): ` +
    `p50 ${quiet.p50Ms.toFixed(2)} and ${disturbed.p50Ms.toFixed(2)} ms, p99 ${quiet.p99Ms.toFixed(2)} and ${disturbed.p99Ms.toFixed(2)} ms: ${ratio}`
  );
}
