import assert from 'node:assert/strict';
import { it } from 'node:test';
import fc from 'fast-check';
import { type Aged, AgeOrder } from '../../src/base/age-order.ts';
import { hashOfText, ShardedMap } from '../../src/base/sharded-map.ts';

it('a sharded map is what a Map is, whatever falls together', () => {
  const key = fc.string({ maxLength: 2 });
  const operation = fc.record({ isSet: fc.boolean(), key });
  for (const hash of [hashOfText, () => 7, (text: string) => -text.length]) {
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
        const map = new ShardedMap<string, number>(hash);
        const model = new Map<string, number>();
        for (const [value, { isSet, key }] of operations.entries()) {
          if (isSet) {
            map.set(key, value);
            model.set(key, value);
          } else {
            assert.equal(map.delete(key), model.delete(key));
          }
          assert.equal(map.size, model.size);
          assert.deepEqual([...map.keys()].sort(), [...model.keys()].sort());
          for (const each of model.keys()) assert.equal(map.get(each), model.get(each));
        }
        map.clear();
        assert.deepEqual([map.size, [...map.keys()]], [0, []]);
      }),
    );
  }
});

interface Thing extends Aged<Thing> {
  readonly number: number;
}

it('an order by age gives the oldest first, whichever are removed, and what is removed leads nowhere', () => {
  fc.assert(
    fc.property(fc.array(fc.option(fc.nat()), { maxLength: 60 }), (operations) => {
      const order = new AgeOrder<Thing>();
      const model: Thing[] = [];
      for (const [number, removal] of operations.entries()) {
        if (removal === null || model.length === 0) {
          const thing = { number, older: null, newer: null };
          order.add(thing);
          model.push(thing);
        } else {
          const [removed] = model.splice(removal % model.length, 1);
          order.remove(removed);
          assert.deepEqual([removed.older, removed.newer], [null, null]);
        }
        assert.equal(order.oldest, model[0] ?? null);
        assert.deepEqual(
          Array.from(order, (each) => each.number),
          model.map((each) => each.number),
        );
      }
    }),
  );
});
