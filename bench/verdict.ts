/** What is said of a row of a comparison of two commits. */
import type { Estimate } from './statistics.ts';

export type Verdict = 'floor reached' | 'undecided' | 'FAILED';

/** `floor`: the least ratio that is accepted. Only an interval that lies on one side of it decides. */
export function rateVerdict({ interval }: Estimate, floor: number): Verdict {
  if (interval === undefined) return 'undecided';
  if (interval.high < floor) return 'FAILED';
  return interval.low >= floor ? 'floor reached' : 'undecided';
}

/** Less is better: what a message may cost at most is one part in `floor`. */
export function costVerdict({ interval }: Estimate, floor: number): Verdict {
  if (interval === undefined) return 'undecided';
  if (interval.low > 1 / floor) return 'FAILED';
  return interval.high <= 1 / floor ? 'floor reached' : 'undecided';
}

export function rowVerdict(rate: Verdict, cost: Verdict): string {
  const failed = [rate === 'FAILED' ? 'rate' : '', cost === 'FAILED' ? 'processor' : ''].filter(
    (of) => of !== '',
  );
  if (failed.length > 0) return `FAILED (${failed.join(', ')})`;
  if (rate === cost) return rate;
  return `undecided (${rate === 'undecided' ? 'rate' : 'processor'})`;
}

export type Side = 'A' | 'B';

/** A B, B A, A B, …: a machine that becomes slower with time becomes so for both. */
export function pairOrder(pair: number): readonly [Side, Side] {
  return pair % 2 === 0 ? ['A', 'B'] : ['B', 'A'];
}
