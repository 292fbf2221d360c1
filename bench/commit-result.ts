/** What a comparison of two commits finds, and how its rows are judged. */
import type { Machine } from '../src/cli/bench/machine.ts';
import type { RunFigures, RunTimes } from './commit-rows.ts';
import type { SyncedWrites } from './quiet.ts';
import { type Estimate, estimateRatio } from './statistics.ts';
import { costVerdict, rateVerdict, rowVerdict, type Side } from './verdict.ts';

/** Fewer pairs are a try, and no comparison that counts. */
export const PAIRS_MIN = 15;

export interface CommitsPlan extends RunTimes {
  /** A, the one that is compared with. */
  readonly before: string;
  /** B, the one in question. */
  readonly after: string;
  readonly rows: readonly string[];
  readonly pairs: number;
  /** The least ratio of B to A. */
  readonly floor: number;
}

export type Pair = Readonly<Record<Side, RunFigures>>;

export interface CommitRowResult {
  readonly row: string;
  readonly title: string;
  /** In the order in which they were measured; the first run of every other pair is B's. */
  readonly pairs: readonly Pair[];
  /** B's of A's. */
  readonly rate: Estimate;
  readonly cpu: Estimate;
  readonly verdict: string;
  readonly isFailed: boolean;
}

export interface Conditions {
  readonly machine: Machine;
  readonly at: string;
  readonly loadAverage: number;
  readonly syncedWrites: SyncedWrites;
  readonly kafkaLoad: string;
}

export function judgePairs(
  pairs: readonly Pair[],
  floor: number,
): Pick<CommitRowResult, 'rate' | 'cpu' | 'verdict' | 'isFailed'> {
  const rate = estimateRatio(pairs.map(({ A, B }) => B.perSecond / A.perSecond));
  const cpu = estimateRatio(pairs.map(({ A, B }) => B.cpuMicrosPerMessage / A.cpuMicrosPerMessage));
  const verdicts = [rateVerdict(rate, floor), costVerdict(cpu, floor)] as const;
  return { rate, cpu, verdict: rowVerdict(...verdicts), isFailed: verdicts.includes('FAILED') };
}
