import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { finished } from '../../../../src/base/turn-time.ts';
import { GroupError } from '../../../../src/broker/groups/group-error.ts';
import { type Assignment, assignShares } from '../../../../src/broker/groups/share/assignor.ts';
import type { ShareGroup, ShareHeartbeat } from '../../../../src/broker/groups/share/share-group.ts';
import { DrivenClock, STEP_MS } from '../../../support/driven-clock.ts';
import { until } from '../../../support/until.ts';
import { batchOf } from '../../streams/batches.ts';
import { TestBroker } from '../../test-broker.ts';

const PARTITIONS = 3000;
/** What is done before others have their turn. */
const AT_ONCE_MAX = 600;

function beat(memberId: string, epoch: number, subscribed: readonly string[] | null): ShareHeartbeat {
  return { memberId, epoch, rackId: null, subscribed, clientId: 'test', host: '/127.0.0.1' };
}

async function withStream(): Promise<TestBroker> {
  // By its clock a turn of a work is some dozens of steps.
  const test = await TestBroker.start({ clock: new DrivenClock(STEP_MS) });
  test.broker.streams.create({ vhost: '/', name: 's', partitions: PARTITIONS, configs: new Map() });
  test.broker.groupConfigs.set('/', 'g', new Map([['share.auto.offset.reset', 'earliest']]));
  await test.flush();
  return test;
}

function groupOf(test: TestBroker): ShareGroup {
  const group = test.broker.shareGroups.find('/', 'g');
  assert.ok(group !== undefined);
  return group;
}

function countOf(assignment: Assignment | null | undefined): number {
  return [...(assignment?.values() ?? [])].reduce((sum, partitions) => sum + partitions.length, 0);
}

function begunBy(group: ShareGroup): number {
  return [...group.readers.values()].reduce((sum, readers) => sum + readers.size, 0);
}

function whenDivided(group: ShareGroup): Promise<void> {
  return until(() => group.assignmentEpoch === group.epoch);
}

describe('a share group of very many partitions', () => {
  it('begins on them and divides them in turns with others, and members learn it with a later heartbeat', async () => {
    await using test = await withStream();
    const { shareGroups } = test.broker;
    const first = shareGroups.heartbeat('/', 'g', beat('ada', 0, ['s']));
    const group = groupOf(test);
    assert.ok(first.epoch > 0 && begunBy(group) <= AT_ONCE_MAX, `${begunBy(group)} at once`);
    assert.equal(countOf(first.assignment), 0);
    await whenDivided(group);
    const second = shareGroups.heartbeat('/', 'g', beat('ada', first.epoch, null));
    assert.equal(countOf(second.assignment), PARTITIONS);
    // While these are divided, another one comes, and one goes.
    shareGroups.heartbeat('/', 'g', beat('bob', 0, ['s']));
    shareGroups.heartbeat('/', 'g', beat('eve', 0, ['s']));
    shareGroups.heartbeat('/', 'g', beat('bob', -1, null));
    await whenDivided(group);
    const counts = ['ada', 'eve'].map((id) => {
      const { epoch } = group.members.get(id) ?? { epoch: -1 };
      return countOf(shareGroups.heartbeat('/', 'g', beat(id, epoch, null)).assignment);
    });
    assert.deepEqual(counts, [PARTITIONS / 2, PARTITIONS / 2]);
    assert.equal(begunBy(group), PARTITIONS);
  });

  it('goes on after a stop in the middle of that, and has begun on each partition once', async () => {
    await using test = await withStream();
    test.broker.shareGroups.heartbeat('/', 'g', beat('ada', 0, ['s']));
    await test.flush();
    await test.restart();
    const ids = new Set([...groupOf(test).allReaders()].map(({ share }) => share.id));
    assert.equal(ids.size, begunBy(groupOf(test)));
    test.broker.shareGroups.heartbeat('/', 'g', beat('ada', 0, ['s']));
    await whenDivided(groupOf(test));
    assert.equal(begunBy(groupOf(test)), PARTITIONS);
    assert.equal(new Set([...groupOf(test).allReaders()].map(({ share }) => share.id)).size, PARTITIONS);
  });

  it('gives back what a member holds in all of them in turns with others', async () => {
    await using test = await withStream();
    const { shareGroups, streams } = test.broker;
    shareGroups.heartbeat('/', 'g', beat('ada', 0, ['s']));
    const group = groupOf(test);
    await whenDivided(group);
    const one = batchOf(['x']);
    for (const partition of streams.get('/', 's')?.ownPartitions ?? [])
      partition.append(Buffer.from(one), 0, one.length);
    await test.flush();
    const limits = { records: 1, bytes: 1000, isExact: false };
    for (const reader of group.allReaders()) await reader.acquire('ada', limits);
    let released = 0;
    for (const { share } of group.allReaders()) {
      const release = share.release.bind(share);
      share.release = (memberId) => {
        released++;
        release(memberId);
      };
    }
    group.releaseAll(['ada']);
    assert.ok(released > 0 && released <= AT_ONCE_MAX, `${released} at once`);
    assert.ok(group.released('ada') !== null, 'a session that begins now has to wait');
    await group.released('ada');
    assert.equal(released, PARTITIONS);
    assert.equal(group.released('ada'), null);
    for (const { share } of group.allReaders()) assert.equal(share.nextAvailable(), 0);
    // Where nothing is held there is nothing to do.
    for (const reader of group.allReaders()) {
      await reader.acquire('bob', limits);
      reader.share.acknowledge('bob', [{ firstOffset: 0, lastOffset: 0, types: [1] }]);
    }
    released = 0;
    group.releaseAll(['bob']);
    await group.released('bob');
    assert.equal(released, 0);
  });

  it('is divided in a time that grows with members and partitions, not with one times the other', () => {
    const streams = Array.from({ length: 2000 }, (_, index) => `s${index}`);
    const members = Array.from({ length: 200 }, (_, index) => ({
      id: `m${index}`,
      streams,
      assignment: new Map() as Assignment,
    }));
    const stepsOf = (those: typeof members): number => {
      let steps = 0;
      const work = assignShares(those, () => 10);
      while (work.next().done !== true) steps++;
      return steps;
    };
    // 20,000 partitions, and what each member has of 2,000 streams.
    assert.ok(stepsOf(members) < 60_000, `${stepsOf(members)}`);
    const assigned = finished(assignShares(members, () => 10));
    const again = members.map((each) => ({ ...each, assignment: assigned.get(each.id) ?? new Map() }));
    assert.deepEqual(finished(assignShares(again, () => 10)), assigned);
    assert.ok([...assigned.values()].every((each) => countOf(each) === 100));
  });

  it('takes no more names than it can divide', async () => {
    await using test = await TestBroker.start();
    const { shareGroups } = test.broker;
    const names = Array.from({ length: 20_000 }, (_, index) => `n${index}`);
    for (let index = 0; index < 10; index++) shareGroups.heartbeat('/', 'g', beat(`m${index}`, 0, names));
    assert.throws(
      () => shareGroups.heartbeat('/', 'g', beat('one more', 0, names)),
      (error) =>
        error instanceof GroupError && error.kind === 'invalid-request' && /200000/.test(error.message),
    );
    shareGroups.heartbeat('/', 'g', beat('another', 0, names.slice(0, 100)));
    const group = groupOf(test);
    // Those who read the same have the same set.
    assert.equal(new Set([...group.members.values()].map(({ subscribed }) => subscribed)).size, 2);
    await whenDivided(group);
  });
});
