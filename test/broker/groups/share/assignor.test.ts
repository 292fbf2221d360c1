import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { finished } from '../../../../src/base/turn-time.ts';
import { type Assignment, assignShares } from '../../../../src/broker/groups/share/assignor.ts';

const STREAMS = ['a', 'b', 'c'];

function countOf(assignment: Assignment): number {
  return [...assignment.values()].reduce((sum, partitions) => sum + partitions.length, 0);
}

describe('the division of partitions among the members of a share group', () => {
  it('leaves no partition without a member, and no member without one, as members come and go', () => {
    const change = fc.record({ member: fc.nat(7), streams: fc.subarray(STREAMS), grows: fc.boolean() });
    fc.assert(
      fc.property(fc.array(change, { maxLength: 25 }), (changes) => {
        const sizes = new Map(STREAMS.map((stream, i) => [stream, i + 1]));
        let members = new Map<string, { streams: string[]; assignment: Assignment }>();
        for (const { member, streams, grows } of changes) {
          const id = `m${member}`;
          if (streams.length === 0) members.delete(id);
          else members.set(id, { streams, assignment: members.get(id)?.assignment ?? new Map() });
          if (grows) sizes.set('a', sizes.get('a')! + 1);
          const list = [...members].map(([key, each]) => ({ id: key, ...each }));
          const result = finished(assignShares(list, (stream) => sizes.get(stream) ?? 0));
          members = new Map(list.map((each) => [each.id, { ...each, assignment: result.get(each.id)! }]));
          for (const stream of new Set(list.flatMap((each) => each.streams))) {
            const given = new Set(list.flatMap((each) => result.get(each.id)!.get(stream) ?? []));
            assert.equal(given.size, sizes.get(stream), `all of ${stream} are read`);
          }
          for (const each of list) {
            assert.ok(countOf(result.get(each.id)!) > 0, `${each.id} is not idle`);
            for (const [stream, partitions] of result.get(each.id)!) {
              assert.ok(each.streams.includes(stream), 'only what it reads');
              assert.equal(new Set(partitions).size, partitions.length, 'each once');
            }
          }
        }
      }),
      { numRuns: 300 },
    );
  });

  it('gives those who read the same about the same, and leaves what need not move', () => {
    const members = Array.from({ length: 4 }, (_, i) => ({
      id: `m${i}`,
      streams: ['a'],
      assignment: new Map(),
    }));
    const before = finished(assignShares(members.slice(0, 3), () => 10));
    assert.deepEqual([...before.values()].map(countOf).sort(), [3, 3, 4]);
    const after = finished(
      assignShares(
        members.map((each) => ({ ...each, assignment: before.get(each.id) ?? new Map() })),
        () => 10,
      ),
    );
    assert.deepEqual([...after.values()].map(countOf).sort(), [2, 2, 3, 3]);
    for (const { id } of members.slice(0, 3)) {
      const had = before.get(id)!.get('a')!;
      assert.ok(
        after
          .get(id)!
          .get('a')!
          .every((partition) => had.includes(partition)),
        `${id} only gave up`,
      );
    }
  });

  it('has several members share a partition where there are more members than partitions', () => {
    const members = Array.from({ length: 5 }, (_, i) => ({
      id: `m${i}`,
      streams: ['a'],
      assignment: new Map(),
    }));
    const result = finished(assignShares(members, () => 2));
    const readers = [0, 1].map(
      (partition) => [...result.values()].filter((each) => each.get('a')?.includes(partition)).length,
    );
    assert.ok([...result.values()].every((each) => countOf(each) >= 1));
    assert.ok(Math.abs(readers[0] - readers[1]) <= 1);
  });
});
