import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { finished } from '../../../src/base/turn-time.ts';
import type {
  Assignor,
  AssignorMember,
  AssignorStream,
} from '../../../src/broker/groups/consumer/assignor.ts';
import { assignRanges } from '../../../src/broker/groups/consumer/range-assignor.ts';
import { assignUniformly } from '../../../src/broker/groups/consumer/uniform-assignor.ts';
import {
  countOf,
  intersect,
  NO_PARTITIONS,
  overlaps,
  type PartitionSet,
  toLists,
} from '../../../src/broker/groups/partition-sets.ts';
import { assertLinear } from '../../support/growth.ts';

function member(id: string, streamIds: readonly string[], target = NO_PARTITIONS): AssignorMember {
  return { id, instanceId: null, streamIds: new Set(streamIds), target };
}

const streams: fc.Arbitrary<AssignorStream[]> = fc
  .array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 5 })
  .map((counts) => counts.map((partitionCount, index) => ({ id: `s${index}`, partitionCount })));

const anyMembers = streams.chain((all) =>
  fc
    .array(fc.subarray(all.map(({ id }) => id)), { minLength: 1, maxLength: 8 })
    .map((subscriptions) => ({ all, members: subscriptions.map((ids, index) => member(`m${index}`, ids)) })),
);

const sameMembers = fc.tuple(streams, fc.integer({ min: 1, max: 9 })).map(([all, count]) => ({
  all,
  members: Array.from({ length: count }, (_, index) =>
    member(
      `m${index}`,
      all.map(({ id }) => id),
    ),
  ),
}));

/** Every partition that anybody reads has one reader, who reads it. */
function check(
  all: readonly AssignorStream[],
  members: readonly AssignorMember[],
  targets: ReadonlyMap<string, PartitionSet>,
): void {
  let count = 0;
  for (const [index, { id, streamIds }] of members.entries()) {
    const target = targets.get(id) ?? NO_PARTITIONS;
    count += countOf(target);
    for (const streamId of target.keys()) assert.ok(streamIds.has(streamId));
    for (const other of members.slice(index + 1)) {
      assert.ok(!overlaps(target, targets.get(other.id) ?? NO_PARTITIONS));
    }
  }
  const read = all.filter(({ id }) => members.some(({ streamIds }) => streamIds.has(id)));
  assert.equal(
    count,
    read.reduce((sum, { partitionCount }) => sum + partitionCount, 0),
  );
}

function counts(members: readonly AssignorMember[], targets: ReadonlyMap<string, PartitionSet>): number[] {
  return members.map(({ id }) => countOf(targets.get(id) ?? NO_PARTITIONS));
}

const ASSIGNORS: readonly (readonly [string, Assignor])[] = [
  ['range', assignRanges],
  ['uniform', assignUniformly],
];

describe('an assignor', () => {
  for (const [name, assign] of ASSIGNORS) {
    it(`gives each partition to one who reads it: ${name}`, () => {
      fc.assert(
        fc.property(anyMembers, ({ all, members }) => check(all, members, finished(assign(members, all)))),
        { numRuns: 500 },
      );
    });
  }
});

describe('the assignor `range`', () => {
  it('gives neighbours to each, and the same numbers of streams that are alike', () => {
    const members = [member('b', ['x', 'y']), member('a', ['x', 'y']), member('c', ['x', 'y'])];
    const streams = [
      { id: 'x', partitionCount: 7 },
      { id: 'y', partitionCount: 7 },
    ];
    const targets = finished(assignRanges(members, streams));
    assert.deepEqual(
      ['a', 'b', 'c'].map((id) => toLists(targets.get(id) ?? NO_PARTITIONS)),
      [
        { x: [0, 1, 2], y: [0, 1, 2] },
        { x: [3, 4], y: [3, 4] },
        { x: [5, 6], y: [5, 6] },
      ],
    );
  });
});

describe('the assignor `uniform`', () => {
  it('makes shares that differ by one at most if all read the same', () => {
    fc.assert(
      fc.property(sameMembers, ({ all, members }) => {
        const shares = counts(members, finished(assignUniformly(members, all)));
        assert.ok(Math.max(...shares) - Math.min(...shares) <= 1);
      }),
      { numRuns: 300 },
    );
  });

  it('takes from a member only what another needs, when one comes or goes', () => {
    fc.assert(
      fc.property(sameMembers, fc.boolean(), ({ all, members }, comes) => {
        const before = finished(assignUniformly(members, all));
        const withTargets = members.map((each) => ({
          ...each,
          target: before.get(each.id) ?? NO_PARTITIONS,
        }));
        const streamIds = all.map(({ id }) => id);
        const present = comes ? [...withTargets, member('new', streamIds)] : withTargets.slice(1);
        if (present.length === 0) return;
        const after = finished(assignUniformly(present, all));
        check(all, present, after);
        const total = all.reduce((sum, { partitionCount }) => sum + partitionCount, 0);
        for (const { id, target } of present) {
          const kept = countOf(intersect(target, after.get(id) ?? NO_PARTITIONS));
          const least = Math.min(countOf(target), Math.floor(total / present.length));
          assert.ok(kept >= least, `${id} keeps ${kept} of ${countOf(target)}`);
        }
      }),
      { numRuns: 500 },
    );
  });

  it('leaves no member with two less than another who reads something that it reads too', () => {
    fc.assert(
      fc.property(anyMembers, ({ all, members }) => {
        const targets = finished(assignUniformly(members, all));
        const shares = counts(members, targets);
        for (const [index, { id }] of members.entries()) {
          for (const streamId of (targets.get(id) ?? NO_PARTITIONS).keys()) {
            for (const [other, { streamIds }] of members.entries()) {
              if (streamIds.has(streamId)) assert.ok((shares[index] ?? 0) - (shares[other] ?? 0) <= 1);
            }
          }
        }
      }),
      { numRuns: 500 },
    );
  });

  it('divides ten thousand partitions among a thousand members without a look at each pair of them', async () => {
    const divide = (partitions: number): void => {
      const all = Array.from({ length: 100 }, (_, index) => ({
        id: `s${index}`,
        partitionCount: partitions / 100,
      }));
      const ids = all.map(({ id }) => id);
      const members = Array.from({ length: partitions / 10 }, (_, index) =>
        member(`m${index}`, index % 2 === 0 ? ids : ids.slice(0, 50)),
      );
      const shares = counts(members, finished(assignUniformly(members, all)));
      assert.equal(Math.max(...shares) - Math.min(...shares), 0);
    };
    await assertLinear(1000, divide);
  });
});
