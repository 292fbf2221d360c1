import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Histogram } from '../../../../src/base/histogram.ts';
import { ConfirmWindow } from '../../../../src/cli/bench/amqp/confirm-window.ts';
import { SequenceTracker } from '../../../../src/cli/bench/amqp/sequence.ts';

describe('SequenceTracker', () => {
  it('counts missing and duplicate numbers like a set does', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(60)), (arrivals) => {
        const tracker = new SequenceTracker(0);
        const seen = new Set<number>();
        let duplicates = 0;
        for (const sequence of arrivals) {
          tracker.see(sequence);
          if (seen.has(sequence)) duplicates++;
          seen.add(sequence);
        }
        const next = arrivals.length === 0 ? 0 : Math.max(...arrivals) + 1;
        assert.deepEqual(
          [tracker.next, tracker.missing(), tracker.duplicates],
          [next, next - seen.size, duplicates],
        );
      }),
    );
  });
});

describe('ConfirmWindow', () => {
  const confirms = fc.array(fc.record({ tag: fc.nat(40), multiple: fc.boolean(), publish: fc.nat(8) }));

  it('counts each message once, whatever the order and folding of the confirms', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 12 }), confirms, (size, steps) => {
        const latency = new Histogram();
        const window = new ConfirmWindow(size, latency);
        const unconfirmed = new Set<number>();
        for (const { tag, multiple, publish } of steps) {
          for (let i = 0; i < Math.min(publish, window.room()); i++) {
            window.publish(0);
            unconfirmed.add(window.published);
          }
          assert.ok(unconfirmed.size <= size);
          if (tag > window.published) continue;
          const named = [...unconfirmed].filter((t) => t === tag || (multiple && (t <= tag || tag === 0)));
          for (const t of named) unconfirmed.delete(t);
          assert.equal(window.confirm(tag, multiple, 0), named.length);
          assert.equal(window.published - window.confirmed, unconfirmed.size);
        }
        assert.equal(latency.count, window.confirmed);
      }),
    );
  });

  it('refuses a confirm of what was never published', () => {
    const window = new ConfirmWindow(10, new Histogram());
    window.publish(0);
    assert.throws(() => window.confirm(2, false, 0), /tag 2, but only 1/);
  });
});
