/** Two commits of Sluice under the same loads, in the order A B B A, one broker at a time. */
import { join } from 'node:path';
import { describeMachine } from '../src/cli/bench/machine.ts';
import { withDirectory } from './brokers.ts';
import { type Checkout, checkOut, startCheckout } from './checkout.ts';
import { formatHeader, formatPair, formatTable } from './commit-report.ts';
import {
  type CommitRowResult,
  type CommitsPlan,
  type Conditions,
  judgePairs,
  type Pair,
} from './commit-result.ts';
import { COMMIT_ROWS, KAFKA_LOAD, type RunFigures } from './commit-rows.ts';
import { loadAverage, timeSyncedWrites } from './quiet.ts';
import { pairOrder, type Side } from './verdict.ts';

export interface CommitsResult extends Conditions {
  readonly plan: CommitsPlan;
  readonly commits: Readonly<Record<Side, Pick<Checkout, 'rev' | 'commit' | 'subject' | 'packages'>>>;
  readonly minutes: number;
  readonly rows: readonly CommitRowResult[];
  readonly isFailed: boolean;
  readonly text: string;
}

export function compareCommits(plan: CommitsPlan, note: (text: string) => void): Promise<CommitsResult> {
  return withDirectory(async (scratch) => {
    // Before the checkouts, which are work for the machine themselves.
    const load = loadAverage();
    const A = await checkOut(plan.before, join(scratch, 'a'), undefined, note);
    const B = await checkOut(plan.after, join(scratch, 'b'), A, note);
    const checkouts = { A, B };
    for (const side of [A, B]) await startOnce(side, plan);
    const conditions = {
      machine: describeMachine(),
      at: new Date().toISOString(),
      loadAverage: load,
      syncedWrites: await timeSyncedWrites(scratch),
      kafkaLoad: KAFKA_LOAD,
    };
    const header = formatHeader(conditions, plan, checkouts);
    note(header);
    const begin = performance.now();
    const rows: CommitRowResult[] = [];
    for (const row of plan.rows) rows.push(await measureRow(row, plan, checkouts, note));
    const minutes = (performance.now() - begin) / 60_000;
    const commits = { A: describe(A), B: describe(B) };
    const isFailed = rows.some((row) => row.isFailed);
    const text = `${header}\n\n${formatTable(rows, plan)}\n\nmeasured in ${minutes.toFixed(1)} minutes`;
    return { ...conditions, plan, commits, minutes, rows, isFailed, text };
  });
}

function describe({ rev, commit, subject, packages }: Checkout) {
  return { rev, commit, subject, packages };
}

/** That it can be started is seen before anything is measured; what it has compiled then is there for all its runs. */
async function startOnce(checkout: Checkout, plan: CommitsPlan): Promise<void> {
  if (!checkout.hasKafka && plan.rows.some((row) => COMMIT_ROWS[row].isKafka))
    throw new Error(`${checkout.rev} has no listener for Kafka clients: leave the Kafka rows out by --rows`);
  await withDirectory(async (directory) => (await startCheckout(checkout, directory)).stop());
}

async function measureRow(
  name: string,
  plan: CommitsPlan,
  checkouts: Readonly<Record<Side, Checkout>>,
  note: (text: string) => void,
): Promise<CommitRowResult> {
  const row = COMMIT_ROWS[name];
  note(`\n${name}: ${row.title}`);
  const { seconds, warmupSeconds } = plan;
  const pairs: Pair[] = [];
  for (let i = 0; i < plan.pairs; i++) {
    const figures: Partial<Record<Side, RunFigures>> = {};
    for (const side of pairOrder(i)) {
      figures[side] = await withDirectory(async (directory) => {
        const broker = await startCheckout(checkouts[side], directory);
        try {
          return await row.measure(broker, { seconds, warmupSeconds });
        } finally {
          await broker.stop();
        }
      });
    }
    const pair = figures as Pair;
    pairs.push(pair);
    note(formatPair(i, pair));
  }
  return { row: name, title: row.title, pairs, ...judgePairs(pairs, plan.floor) };
}
