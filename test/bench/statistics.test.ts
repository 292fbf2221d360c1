import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { estimateRatio } from '../../bench/statistics.ts';

/** Close to what another program has found, which printed so many digits. */
function assertClose(actual: number, expected: number, digits = 6): void {
  assert.ok(Math.abs(actual - expected) < 0.5 * 10 ** -digits, `${actual} is not ${expected}`);
}

/** Ratios whose logarithms are these. */
function ratios(logs: readonly number[]): number[] {
  return logs.map(Math.exp);
}

describe('the estimate of a ratio from pairs', () => {
  it('is the one of Hodges and Lehmann, its interval that of Wilcoxon (15 pairs: the 31st mean from each end)', () => {
    // Powers of two keep all means of two apart, so that the rank that was taken shows.
    const logs = Array.from({ length: 15 }, (_, i) => 2 ** i / 2 ** 14);
    const means = logs.flatMap((a, i) => logs.slice(i).map((b) => (a + b) / 2)).sort((a, b) => a - b);
    const { ratio, interval } = estimateRatio(ratios(logs));
    assert.equal(means.length, 120);
    assertClose(Math.log(ratio), (means[59] + means[60]) / 2);
    assertClose(Math.log(interval!.low), means[30]);
    assertClose(Math.log(interval!.high), means[89]);
  });

  it('is that of tables of the signed-rank statistic for 5, 6, 10 and 20 pairs', () => {
    // Critical values for one-sided 5 %: 0, 2, 10, 60; the interval begins with the mean after them.
    for (const [pairs, critical] of [
      [5, 0],
      [6, 2],
      [10, 10],
      [20, 60],
    ]) {
      const logs = Array.from({ length: pairs }, (_, i) => 1.5 ** i / 1.5 ** pairs);
      const means = logs.flatMap((a, i) => logs.slice(i).map((b) => (a + b) / 2)).sort((a, b) => a - b);
      assertClose(Math.log(estimateRatio(ratios(logs)).interval!.low), means[critical]);
    }
  });

  it('has no interval with fewer than five pairs, and a ratio all the same', () => {
    const { ratio, interval } = estimateRatio([0.5, 2, 1, 1]);
    assertClose(ratio, 1);
    assert.equal(interval, undefined);
  });

  it('becomes its reciprocal when the sides are exchanged', () => {
    const pairs = [1.02, 0.97, 1.1, 0.93, 1.4, 1.01, 0.88, 1.05];
    const there = estimateRatio(pairs);
    const back = estimateRatio(pairs.map((ratio) => 1 / ratio));
    assertClose(back.ratio, 1 / there.ratio);
    assertClose(back.interval!.low, 1 / there.interval!.high);
    assertClose(back.interval!.high, 1 / there.interval!.low);
  });

  it('is not carried away by one run in which the disk stalled', () => {
    const steady = Array.from({ length: 14 }, (_, i) => 1 + (i - 6.5) / 1000);
    const { ratio, interval } = estimateRatio([...steady, 0.1]);
    assertClose(ratio, 1, 2);
    assert.ok(interval!.low > 0.99 && interval!.high < 1.01);
  });

  it('covers the true ratio in nine of ten comparisons', () => {
    let state = 1;
    const random = () => {
      state = (state * 48271) % 0x7fffffff;
      return state / 0x7fffffff;
    };
    const normal = () => Math.sqrt(-2 * Math.log(random())) * Math.cos(2 * Math.PI * random());
    let covered = 0;
    for (let comparison = 0; comparison < 2000; comparison++) {
      const { interval } = estimateRatio(Array.from({ length: 15 }, () => 0.95 * Math.exp(0.1 * normal())));
      if (interval!.low <= 0.95 && interval!.high >= 0.95) covered++;
    }
    assert.ok(covered > 1770 && covered < 1860, `${covered} of 2000`);
  });
});
