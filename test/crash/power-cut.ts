import { inspect } from 'node:util';
import { PowerCutRun } from './power-cut-run.ts';

export interface Failure {
  readonly seed: number;
  readonly error: unknown;
  /** The last things that happened, one a line. */
  readonly history: string;
}

/** Runs the schedule of one seed; null if all is well. */
export async function runPowerCuts(seed: number): Promise<Failure | null> {
  const run = new PowerCutRun(seed);
  try {
    await run.run();
    return null;
  } catch (error) {
    return { seed, error, history: run.tail() };
  }
}

export function describeFailure({ seed, error, history }: Failure): string {
  return `seed ${seed}: ${inspect(error)}\nwhat happened before:\n${history}`;
}
