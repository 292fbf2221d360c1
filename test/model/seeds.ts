import { inspect } from 'node:util';
import { seededRandom } from '../support/seeded-random.ts';
import { Difference } from './entry.ts';
import { type Operation, type Plan, Planner } from './operations.ts';
import { Run } from './run.ts';

export interface Failure {
  readonly shards: number;
  readonly plan: Plan;
  readonly error: unknown;
  readonly history: readonly string[];
}

/** Null if broker and model agree. */
export async function runSeed(seed: number, operations: number, shards = 1): Promise<Failure | null> {
  return runPlan(new Planner(seed, seededRandom(seed)).plan(operations), shards);
}

async function runPlan(plan: Plan, shards: number): Promise<Failure | null> {
  const run = new Run(plan, shards);
  try {
    await run.run();
    return null;
  } catch (error) {
    return {
      shards,
      plan: { ...plan, operations: plan.operations.slice(0, run.done) },
      error,
      history: run.history,
    };
  }
}

/** Where in the model a difference was found says nothing; where the broker threw something says much. */
export function textOf(error: unknown): string {
  return error instanceof Difference ? error.message : inspect(error);
}

/** Leaves out operations, in smaller and smaller pieces, as long as what is left still fails. */
async function shrink(failure: Failure): Promise<Failure> {
  let least = failure;
  for (let size = failure.plan.operations.length >>> 1; size > 0; size >>>= 1) {
    for (let at = least.plan.operations.length - size; at >= 0; at -= size) {
      const operations: readonly Operation[] = least.plan.operations.toSpliced(at, size);
      least = (await runPlan({ ...least.plan, operations }, failure.shards)) ?? least;
      at = Math.min(at, least.plan.operations.length);
    }
  }
  return least;
}

/** With the least of its operations that still fail. */
export async function describeFailure(failure: Failure): Promise<string> {
  const { plan, error, history } = await shrink(failure);
  const queues = plan.queues.map((queue) => JSON.stringify(queue)).join('\n');
  return [
    `seed ${plan.seed}: ${textOf(failure.error)}`,
    `with ${plan.operations.length} of its ${failure.plan.operations.length} operations: ${textOf(error)}`,
    `queues${plan.isShortOfMemory ? ', with little memory' : ''}:\n${queues}`,
    `what happened:\n${history.join('\n')}`,
  ].join('\n');
}
