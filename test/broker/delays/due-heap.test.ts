import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DueHeap } from '../../../src/broker/delays/due-heap.ts';

const push = fc.record({ dueMs: fc.integer({ min: 0, max: 50 }) });

test('the heap gives what comes due first, equal ones in the order of their offsets', () => {
  fc.assert(
    fc.property(
      fc.array(fc.oneof(push, push, fc.constant('pop' as const)), { maxLength: 700 }),
      (operations) => {
        const heap = new DueHeap();
        const expected: [dueMs: number, offset: number][] = [];
        for (const [offset, operation] of operations.entries()) {
          if (operation !== 'pop') {
            heap.push(operation.dueMs, offset);
            expected.push([operation.dueMs, offset]);
            expected.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
          } else if (expected.length > 0) {
            heap.pop();
            expected.shift();
          }
          assert.equal(heap.size, expected.length);
          assert.equal(heap.minDueMs, expected[0]?.[0] ?? Number.POSITIVE_INFINITY);
          if (expected.length > 0) assert.equal(heap.minOffset, expected[0]?.[1]);
        }
      },
    ),
  );
});
