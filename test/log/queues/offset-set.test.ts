import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { OffsetSet } from '../../../src/log/queues/offset-set.ts';
import { assertLinear } from '../../support/growth.ts';

type Step =
  | { readonly kind: 'add'; readonly from: number; readonly length: number }
  | { readonly kind: 'removeBelow'; readonly offset: number };

// Small enough for runs to touch, large enough for several chunks of 4096; some far away.
const offset = fc.oneof(
  { weight: 6, arbitrary: fc.nat(20_000) },
  { weight: 1, arbitrary: fc.nat(300).map((near) => 2 ** 40 + near) },
);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('add' as const),
      from: offset,
      length: fc.oneof(fc.nat(3), fc.nat(6000)),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('removeBelow' as const), offset: fc.nat(20_000) }),
  },
);

function rangesOf(model: ReadonlySet<number>): [number, number][] {
  const ranges: [number, number][] = [];
  for (const value of [...model].sort((a, b) => a - b)) {
    const last = ranges.at(-1);
    if (last !== undefined && last[1] === value) last[1] = value + 1;
    else ranges.push([value, value + 1]);
  }
  return ranges;
}

test('the set holds what a plain set holds, after any additions and removals', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 25 }), fc.array(offset, { maxLength: 20 }), (steps, probes) => {
      const set = new OffsetSet();
      const model = new Set<number>();
      let floor = 0;
      for (const each of steps) {
        if (each.kind === 'add') {
          set.add(each.from, each.from + each.length);
          for (let at = Math.max(each.from, floor); at < each.from + each.length; at++) model.add(at);
          probes.push(each.from, each.from + each.length);
        } else {
          set.removeBelow(each.offset);
          floor = Math.max(floor, each.offset);
          for (const value of model) if (value < each.offset) model.delete(value);
          probes.push(each.offset);
        }
      }
      assert.equal(set.size, model.size);
      assert.equal(set.isEmpty, model.size === 0);
      assert.deepEqual([...set.ranges()], rangesOf(model));
      for (const probe of probes) {
        assert.equal(set.has(probe), model.has(probe));
        let missing = probe;
        while (model.has(missing)) missing++;
        assert.equal(set.nextMissing(probe), missing);
        const to = probes[0];
        const count = [...model].filter((value) => value >= probe && value < to).length;
        assert.equal(set.countIn(probe, to), count);
      }
    }),
    { numRuns: 60 },
  );
});

test('a set rebuilt from its ranges is the same set', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(offset, fc.nat(5000)), { maxLength: 12 }), (pairs) => {
      const set = new OffsetSet();
      for (const [from, length] of pairs) set.add(from, from + length);
      const copy = new OffsetSet();
      for (const [from, to] of set.ranges()) copy.add(from, to);
      assert.deepEqual([...copy.ranges()], [...set.ranges()]);
      assert.equal(copy.size, set.size);
    }),
    { numRuns: 60 },
  );
});

test('offsets in random order end as one range, however many, without a search for each', async () => {
  const add = (count: number): OffsetSet => {
    const order = new Uint32Array(count).map((_, index) => index);
    let state = 12345;
    for (let index = count - 1; index > 0; index--) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      const other = state % (index + 1);
      const kept = order[index];
      order[index] = order[other];
      order[other] = kept;
    }
    const set = new OffsetSet();
    for (const each of order) set.add(each, each + 1);
    return set;
  };
  const count = 200_000;
  const set = add(count);
  assert.deepEqual([...set.ranges()], [[0, count]]);
  assert.equal(set.nextMissing(0), count);
  await assertLinear(count / 10, add);
});

test('a head that follows its acknowledgements one by one leaves nothing behind', () => {
  const set = new OffsetSet();
  let head = 0;
  for (let at = 0; at < 50_000; at += 2) {
    set.add(at + 1, at + 2);
    set.add(at, at + 1);
    assert.equal(set.countIn(at, at + 2), 2);
    head = set.nextMissing(head);
    set.removeBelow(head);
    assert.ok(set.isEmpty);
  }
  assert.equal(head, 50_000);
  assert.deepEqual([...set.ranges()], []);
});
