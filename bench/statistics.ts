export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export function spread(values: readonly number[]): Spread {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { median, min: sorted[0], max: sorted[sorted.length - 1] };
}

export interface Interval {
  readonly low: number;
  readonly high: number;
}

export interface Estimate {
  readonly ratio: number;
  /** Undefined when there are too few pairs for one. */
  readonly interval: Interval | undefined;
}

/** What may lie beyond each end of a 90 % interval. */
const TAIL = 0.05;

/**
 * The ratio of two commits, from the ratios of pairs of neighbouring runs: the Hodges-Lehmann estimate of their logarithms,
 * and its 90 % interval from the distribution of Wilcoxon's signed-rank statistic. No pair is dropped, and none needs
 * to be: a run in which the disk stalled counts by its rank, where it would make an interval by Student's t as wide as the
 * stall. Neither does it assume a distribution, only that a pair is as likely to err to one side as to the other, which the
 * order A B B A sees to. The interval is exact for small samples, covers at least 90 %, and needs five pairs. With A and B
 * exchanged, everything becomes its reciprocal.
 */
export function estimateRatio(pairRatios: readonly number[]): Estimate {
  const logs = pairRatios.map(Math.log);
  const means = logs.flatMap((a, i) => logs.slice(i).map((b) => (a + b) / 2)).sort((a, b) => a - b);
  const cut = signedRankCut(logs.length);
  return {
    ratio: Math.exp(spread(means).median),
    interval:
      cut === 0 ? undefined : { low: Math.exp(means[cut - 1]), high: Math.exp(means[means.length - cut]) },
  };
}

/** How many values of the signed-rank statistic, from 0 on, have together a probability of at most TAIL. */
function signedRankCut(pairs: number): number {
  // ways[sum]: of the 2^pairs choices among the ranks 1 to `pairs`, those with that sum.
  const ways = new Float64Array((pairs * (pairs + 1)) / 2 + 1);
  ways[0] = 1;
  for (let rank = 1; rank <= pairs; rank++) {
    for (let sum = ways.length - 1; sum >= rank; sum--) ways[sum] += ways[sum - rank];
  }
  let cut = 0;
  for (let below = ways[0]; below <= TAIL * 2 ** pairs; below += ways[cut]) cut++;
  return cut;
}
