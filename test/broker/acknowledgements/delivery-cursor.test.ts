import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { DeliveryCursor } from '../../../src/broker/acknowledgements/delivery-cursor.ts';
import { AcknowledgedOffsets } from '../../../src/log/queues/acknowledged-offsets.ts';

const END = 60;

describe('a delivery cursor', () => {
  it('delivers each offset that is not settled, what came back first, and knows what was delivered before', () => {
    const step = fc.oneof(
      fc.constant('deliver' as const),
      fc.record({ giveBack: fc.nat(60) }),
      fc.record({ settle: fc.nat(60) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 150 }), (steps) => {
        const settled = new AcknowledgedOffsets();
        const cursor = new DeliveryCursor(settled);
        const inFlight: number[] = [];
        const returned = new Set<number>();
        let next = 0;
        for (const each of steps) {
          if (each === 'deliver') {
            const expected = returned.size > 0 ? Math.min(...returned) : next;
            if (expected >= END) continue;
            const offset = cursor.peek();
            assert.equal(offset, expected);
            assert.equal(cursor.take(offset), returned.has(offset));
            if (!returned.delete(offset)) next++;
            inFlight.push(offset);
          } else if ('giveBack' in each) {
            const [offset] = inFlight.splice(each.giveBack % Math.max(1, inFlight.length), 1);
            if (offset === undefined) continue;
            cursor.giveBack(offset);
            returned.add(offset);
          } else {
            const [offset] = inFlight.splice(each.settle % Math.max(1, inFlight.length), 1);
            if (offset !== undefined) settled.add(offset, offset + 1);
          }
          assert.equal(cursor.deliveredBelow, next);
        }
      }),
    );
  });

  it('skips after a restart what is settled, and marks what was delivered before', () => {
    const settled = new AcknowledgedOffsets();
    settled.add(0, 2);
    settled.add(3, 5);
    const cursor = new DeliveryCursor(settled);
    cursor.failures = new Map([
      [2, 1],
      [4, 1],
    ]);
    cursor.restart(8, 6);
    assert.deepEqual([...cursor.failures.keys()], [2], 'failures of settled messages are forgotten');
    const delivered: [number, boolean][] = [];
    for (let i = 0; i < 4; i++) {
      const offset = cursor.peek();
      delivered.push([offset, cursor.take(offset)]);
    }
    assert.deepEqual(delivered, [
      [2, true],
      [5, true],
      [6, false],
      [7, false],
    ]);
  });
});
