import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { DeadlineHeap } from '../../../src/broker/acknowledgements/deadline-heap.ts';

it('a deadline heap gives what is due, the earliest first, and keeps the rest', () => {
  const step = fc.oneof(fc.record({ dueMs: fc.nat(100) }), fc.record({ takeMs: fc.nat(100) }));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
      const heap = new DeadlineHeap<{ readonly dueMs: number }>();
      let model: number[] = [];
      for (const each of steps) {
        if ('dueMs' in each) {
          heap.add(each);
          model.push(each.dueMs);
        } else {
          const taken: number[] = [];
          heap.take(each.takeMs, ({ dueMs }) => taken.push(dueMs));
          assert.deepEqual(
            taken,
            model.filter((dueMs) => dueMs <= each.takeMs).sort((a, b) => a - b),
          );
          model = model.filter((dueMs) => dueMs > each.takeMs);
        }
        assert.deepEqual([heap.count, heap.dueMs], [model.length, Math.min(Infinity, ...model)]);
      }
    }),
  );
});
