import { inspect } from 'node:util';
import { PowerCutRun } from './power-cut-run.ts';
import { ReplicaRun } from './replica-run.ts';
import { ShardsRun } from './shards/shards-run.ts';

export interface Failure {
  readonly seed: number;
  readonly error: unknown;
  /** The last things that happened, one a line. */
  readonly history: string;
}

/** A schedule, and what happened in it. */
interface Run {
  run(): Promise<void>;
  tail(): string;
}

/** Runs the schedule of one seed; null if all is well. */
export function runPowerCuts(seed: number): Promise<Failure | null> {
  return outcomeOf(new PowerCutRun(seed), seed);
}

/** The same, for a broker that takes over what it has followed. */
export function runReplicas(seed: number): Promise<Failure | null> {
  return outcomeOf(new ReplicaRun(seed), seed);
}

/** The same, for a process with so many shards. */
export function cutShards(seed: number, shards: number): Promise<Failure | null> {
  return outcomeOf(new ShardsRun(seed, { shards }), seed);
}

export async function outcomeOf(run: Run, seed: number): Promise<Failure | null> {
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
