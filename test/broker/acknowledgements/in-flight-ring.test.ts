import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import {
  type Columns,
  InFlightRing,
  rearranged,
} from '../../../src/broker/acknowledgements/in-flight-ring.ts';

class Marks implements Columns {
  readonly ring = new InFlightRing(this);
  marks = new Float64Array(0);
  capacity = 0;

  add(key: number): void {
    const slot = this.ring.add(key);
    this.marks[slot] = key * 2;
  }

  rearrange(slots: Uint32Array, capacity: number): void {
    this.marks = rearranged(this.marks, new Float64Array(capacity), slots);
    this.capacity = capacity;
  }

  inFlight(): number[] {
    const keys: number[] = [];
    for (let at = this.ring.first; at < this.ring.end; at++) {
      if (!this.ring.isInFlightAt(at)) continue;
      keys.push(this.ring.keyAt(at));
      assert.equal(this.marks[at & this.ring.mask], this.ring.keyAt(at) * 2);
    }
    return keys;
  }
}

describe('the in-flight ring', () => {
  it('knows what a set knows, whatever is added and removed', () => {
    const step = fc.oneof(
      fc.record({ add: fc.integer({ min: 1, max: 40 }), gap: fc.integer({ min: 0, max: 3 }) }),
      fc.record({ remove: fc.array(fc.nat(1000), { minLength: 1, maxLength: 60 }) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const marks = new Marks();
        const model = new Set<number>();
        let next = 0;
        for (const each of steps) {
          if ('add' in each) {
            next += each.gap;
            for (let i = 0; i < each.add; i++) {
              marks.add(next);
              model.add(next++);
            }
          } else {
            for (const wanted of each.remove) {
              const key = [...model][wanted % Math.max(1, model.size)];
              if (key === undefined) break;
              marks.ring.remove(marks.ring.find(key));
              model.delete(key);
            }
            marks.ring.trim();
          }
          assert.deepEqual(marks.inFlight(), [...model]);
          assert.equal(marks.ring.count, model.size);
          for (let key = 0; key < next + 2; key++) {
            const slot = marks.ring.find(key);
            assert.equal(slot >= 0, model.has(key), `key ${key}`);
            if (slot >= 0) assert.equal(marks.marks[slot], key * 2);
            const position = marks.ring.positionOf(key);
            for (let at = marks.ring.first; at < marks.ring.end; at++) {
              if (marks.ring.isInFlightAt(at)) assert.equal(at < position, marks.ring.keyAt(at) < key);
            }
          }
        }
      }),
      { numRuns: 150 },
    );
  });

  it('stays small while one entry stays and a million others come and go', () => {
    const marks = new Marks();
    marks.add(0);
    for (let key = 1; key < 1_000_000; key++) {
      marks.add(key);
      marks.ring.remove(marks.ring.find(key));
      marks.ring.trim();
    }
    assert.deepEqual(marks.inFlight(), [0]);
    assert.ok(marks.capacity <= 128, `${marks.capacity} slots`);
  });

  it('lets go of a large ring when it is empty', () => {
    const marks = new Marks();
    for (let key = 0; key < 100_000; key++) marks.add(key);
    assert.ok(marks.capacity >= 100_000);
    for (let key = 0; key < 100_000; key++) marks.ring.remove(marks.ring.find(key));
    marks.ring.trim();
    assert.equal(marks.capacity, 64);
  });
});
