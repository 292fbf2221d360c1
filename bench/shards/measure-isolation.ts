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
  const title = `${machine.cpu}, ${machine.cores} cores; a queue in shard 2 at 500 persistent messages a second, in turns with the trouble in another broker and in the same one`;
  const text = [title, ...Object.entries(figures).map(([name, each]) => line(name, each))].join('\n');
  return { machine, figures, text };
}

function line(name: string, { elsewhere, here, disturbancePerSecond }: IsolationFigures): string {
  const ratio = (here.p99Ms / elsewhere.p99Ms).toFixed(2);
  return (
    `${name} in shard 1 (${Math.round(disturbancePerSecond)} messages a second there): ` +
    `p50 ${elsewhere.p50Ms.toFixed(2)} and ${here.p50Ms.toFixed(2)} ms, p99 ${elsewhere.p99Ms.toFixed(2)} and ${here.p99Ms.toFixed(2)} ms: ${ratio}`
  );
}
