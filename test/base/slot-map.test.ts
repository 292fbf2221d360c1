import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { SlotMap } from '../../src/base/slot-map.ts';

it('a slot map is what a Map is, in the order in which things came', () => {
  const key = fc.integer({ min: 0, max: 9 });
  const operation = fc.oneof(
    fc.record({ op: fc.constant('set' as const), key }),
    fc.record({ op: fc.constant('delete' as const), key }),
  );
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
      const map = new SlotMap<number, { readonly made: number }>();
      const model = new Map<number, { readonly made: number }>();
      for (const [made, { op, key }] of operations.entries()) {
        if (op === 'set') {
          map.set(key, { made });
          model.set(key, { made });
        } else {
          assert.equal(map.delete(key), model.delete(key));
        }
        assert.equal(map.size, model.size);
        for (let each = 0; each < 10; each++) {
          assert.equal(map.has(each), model.has(each));
          assert.deepEqual(map.get(each), model.get(each));
        }
        assert.deepEqual([...map], [...model]);
        assert.deepEqual([...map.keys()], [...model.keys()]);
        assert.deepEqual([...map.values()], [...model.values()]);
      }
    }),
  );
});

it('who goes through a slot map meets what comes meanwhile, and not what goes', () => {
  const map = new SlotMap<string, number>();
  for (let i = 0; i < 3; i++) map.set(`k${i}`, i);
  const met: number[] = [];
  for (const value of map.values()) {
    met.push(value);
    map.delete('k1');
    if (met.length === 1) map.set('k3', 3);
  }
  assert.deepEqual(met, [0, 2, 3]);
});
