import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { CommittedOffsets } from '../../../src/broker/groups/committed-offsets.ts';
import { assertLinear } from '../../support/growth.ts';
import { TestGroups } from './test-groups.ts';

type Command =
  | { readonly do: 'commit'; readonly partition: number; readonly offset: number }
  | { readonly do: 'pend'; readonly partition: number; readonly offset: number; readonly producer: number }
  | { readonly do: 'complete'; readonly producer: number; readonly isCommitted: boolean }
  | { readonly do: 'forget'; readonly partition: number };

const partition = fc.nat(2);
const offset = fc.nat(1000);
const producer = fc.nat(2);
const command: fc.Arbitrary<Command> = fc.oneof(
  fc.record({ do: fc.constant('commit' as const), partition, offset }),
  fc.record({ do: fc.constant('pend' as const), partition, offset, producer }),
  fc.record({ do: fc.constant('complete' as const), producer, isCommitted: fc.boolean() }),
  fc.record({ do: fc.constant('forget' as const), partition }),
);

function run(offsets: CommittedOffsets, each: Command): void {
  switch (each.do) {
    case 'commit':
      offsets.commit(0, { s: [[each.partition, each.offset]] });
      break;
    case 'pend':
      offsets.addPending(each.producer, 0, { s: [[each.partition, each.offset]] });
      break;
    case 'complete':
      offsets.complete(each.producer, each.isCommitted);
      break;
    case 'forget':
      offsets.forget('s', each.partition);
  }
}

/** The last one that counts wins: a commit counts when it comes, what is pending as of when it was said. */
function simply(commands: readonly Command[], of: number): number | null {
  let present: { at: number; offset: number } | null = null;
  let pending: { at: number; offset: number; producer: number }[] = [];
  for (const [at, each] of commands.entries()) {
    if (each.do === 'commit' && each.partition === of) present = { at, offset: each.offset };
    if (each.do === 'forget' && each.partition === of) present = null;
    if (each.do === 'pend' && each.partition === of) {
      pending = pending.filter((other) => other.producer !== each.producer);
      pending.push({ at, offset: each.offset, producer: each.producer });
    }
    if (each.do !== 'complete') continue;
    const mine = pending.find((other) => other.producer === each.producer);
    pending = pending.filter((other) => other !== mine);
    if (mine !== undefined && each.isCommitted && (present === null || present.at < mine.at)) present = mine;
  }
  return present?.offset ?? null;
}

function copyOf(offsets: CommittedOffsets): CommittedOffsets {
  const copy = new CommittedOffsets();
  for (const { producer: who, t, o } of offsets.rows()) {
    if (who === null) copy.commit(t, o);
    else copy.addPending(who, t, o);
  }
  return copy;
}

function valuesOf(offsets: CommittedOffsets): unknown[] {
  const values = [0, 1, 2].map((each) => [
    offsets.get('s', each)?.offset ?? null,
    offsets.isPending('s', each),
  ]);
  return [...values, offsets.count, offsets.isEmpty];
}

describe('committed offsets', () => {
  it('are the last that were said, those of transactions as of when they were said', () => {
    fc.assert(
      fc.property(fc.array(command, { size: '+1' }), (commands) => {
        const offsets = new CommittedOffsets();
        for (const each of commands) run(offsets, each);
        for (const each of [0, 1, 2])
          assert.equal(offsets.get('s', each)?.offset ?? null, simply(commands, each));
      }),
      { numRuns: 2000 },
    );
  });

  it('are the same when they come back from a snapshot, whatever happens then', () => {
    const commands = fc.array(command, { size: '+1' });
    fc.assert(
      fc.property(commands, commands, (before, after) => {
        const offsets = new CommittedOffsets();
        for (const each of before) run(offsets, each);
        const copy = copyOf(offsets);
        assert.deepEqual(valuesOf(copy), valuesOf(offsets));
        for (const each of after) {
          run(offsets, each);
          run(copy, each);
          assert.deepEqual(valuesOf(copy), valuesOf(offsets));
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('of a hundred thousand partitions make a snapshot of a few megabytes, read as quickly as many small ones', async () => {
    const commit = (groups: number): void => {
      const test = new TestGroups();
      for (let index = 0; index < groups; index++) {
        const { id } = test.createStream(`stream-${index}`, 1000);
        test.groups.commit({
          vhost: '/',
          group: `group-${index}`,
          memberId: '',
          instanceId: null,
          generation: -1,
          knowsEpochs: true,
          rows: { [id]: Array.from({ length: 1000 }, (_, each) => [each, 1e12 + each, 3] as const) },
        });
      }
      const bytes = [...test.groups.snapshot()].reduce((sum, { length }) => sum + length, 0);
      assert.ok(bytes < 40_000 * groups, `${bytes} bytes`);
      test.restart({ fromSnapshot: true });
      const last = groups - 1;
      assert.equal(test.committed(999, { stream: `stream-${last}`, group: `group-${last}` }), 1e12 + 999);
    };
    await assertLinear(10, commit);
  });
});
