import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { FINE_BITS, Histogram } from '../../src/base/histogram.ts';

const micros = fc.array(fc.oneof(fc.nat(300), fc.nat(100_000), fc.nat(0xffffffff)), { minLength: 1 });
const share = fc.double({ min: 0, max: 1, noNaN: true });

/** The value that the share of a list does not exceed, by sorting it. */
function exactQuantile(values: readonly number[], of: number): number {
  return values.toSorted((a, b) => a - b)[Math.max(1, Math.ceil(values.length * of)) - 1];
}

describe('a histogram of durations', () => {
  for (const [title, bits, excess] of [
    ['for a queue: quantiles are never too small, and at most 12.5 % too large', undefined, 0.125],
    ['for a measurement: quantiles are never too small, and at most 0.8 % too large', FINE_BITS, 0.008],
  ] as const) {
    it(title, () => {
      fc.assert(
        fc.property(micros, share, (values, of) => {
          const histogram = new Histogram(bits);
          for (const value of values) histogram.recordMicros(value);
          const exact = exactQuantile(values, of);
          const found = Math.round(histogram.quantileMs(of) * 1000);
          assert.ok(found >= exact && found <= exact * (1 + excess), `${found} for ${exact}`);
        }),
      );
    });
  }

  it('takes milliseconds with fractions, and cuts them to whole microseconds', () => {
    const histogram = new Histogram();
    for (const ms of [0.0032, 0.004, 0.0151]) histogram.record(ms);
    assert.deepEqual(
      [0.3, 0.6, 1].map((of) => histogram.quantileMs(of)),
      [0.003, 0.004, 0.015],
    );
  });

  it('knows number, sum and maximum, also of what took longer than its buckets reach', () => {
    const histogram = new Histogram();
    const dayMs = 86_400_000;
    for (const ms of [-5, 0, 2, dayMs]) histogram.record(ms);
    assert.deepEqual([histogram.count, histogram.sumMs, histogram.maxMs], [4, dayMs + 2, dayMs]);
    assert.equal(histogram.quantileMs(0.5), 0);
    assert.ok(histogram.quantileMs(1) > 4_000_000);
  });

  it('counts a value that comes many times in a row as often as it came, whatever came between', () => {
    const step = fc.record({
      ms: fc.constantFrom(-1, 0, 0.25, 3, 700),
      times: fc.integer({ min: 1, max: 4 }),
      isCleared: fc.boolean(),
    });
    fc.assert(
      fc.property(fc.array(step), (steps) => {
        const [runs, each] = [new Histogram(), new Histogram()];
        for (const { ms, times, isCleared } of steps) {
          for (let i = 0; i < times; i++) {
            runs.record(ms);
            each.recordMicros(ms * 1000);
          }
          if (isCleared) for (const histogram of [runs, each]) histogram.clear();
        }
        assert.deepEqual(runs.state(), each.state());
      }),
    );
  });

  it('is empty before the first value, and when it is cleared', () => {
    const histogram = new Histogram();
    assert.deepEqual([histogram.count, histogram.quantileMs(0.99), histogram.maxMs], [0, 0, 0]);
    histogram.record(7);
    histogram.clear();
    assert.deepEqual([histogram.count, histogram.quantileMs(0.99), histogram.maxMs], [0, 0, 0]);
  });

  it('is the same whether recorded in one piece or added from several', () => {
    fc.assert(
      fc.property(micros, fc.array(fc.nat(1000)), (left, right) => {
        const whole = new Histogram(FINE_BITS);
        const pieces = [new Histogram(FINE_BITS), new Histogram(FINE_BITS)] as const;
        for (const value of left) for (const each of [whole, pieces[0]]) each.recordMicros(value);
        for (const value of right) for (const each of [whole, pieces[1]]) each.recordMicros(value);
        const sum = new Histogram(FINE_BITS);
        for (const piece of pieces) sum.add(structuredClone(piece.state()));
        assert.deepEqual(sum.state(), whole.state());
      }),
    );
  });
});
