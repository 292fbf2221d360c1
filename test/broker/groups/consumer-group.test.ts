import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { HeartbeatRequest } from '../../../src/broker/groups/consumer/requests.ts';
import { countOf, type PartitionSet, toLists } from '../../../src/broker/groups/partition-sets.ts';
import { firstHeartbeat, TestGroups } from './test-groups.ts';

/** What a member that runs says. */
const going = {
  rebalanceMs: -1,
  names: null,
  expression: null,
  assignor: null,
  owned: null,
} as const;

function join(test: TestGroups, memberId: string, more: Partial<HeartbeatRequest> = {}) {
  return test.groups.consumerHeartbeat('/', 'g', { ...firstHeartbeat, memberId, ...more });
}

function beat(test: TestGroups, memberId: string, epoch: number, more: Partial<HeartbeatRequest> = {}) {
  return test.groups.consumerHeartbeat('/', 'g', { ...firstHeartbeat, memberId, epoch, ...going, ...more });
}

function lists(set: PartitionSet | null) {
  return set === null ? null : toLists(set);
}

function groupOf(test: TestGroups) {
  const membership = test.groups.find('/', 'g')?.membership;
  assert.equal(membership?.type, 'consumer');
  return membership;
}

describe('a consumer group', () => {
  it('fences off a member whose epoch is not its own, but for one that missed the last answer', () => {
    const test = new TestGroups();
    test.createStream('s', 2);
    const first = join(test, 'one');
    const owned = first.assigned;
    test.createStream('s', 3);
    const second = beat(test, 'one', first.epoch);
    assert.equal(second.epoch, first.epoch + 1);
    assert.equal(beat(test, 'one', first.epoch, { owned }).epoch, second.epoch);
    assert.throws(() => beat(test, 'one', first.epoch), { kind: 'fenced-epoch' });
    assert.throws(() => beat(test, 'one', first.epoch, { owned: new Map([['x', new Set([0])]]) }), {
      kind: 'fenced-epoch',
    });
    assert.throws(() => beat(test, 'one', second.epoch + 1), { kind: 'fenced-epoch' });
  });

  it('takes a member that joins again for one that has lost all', () => {
    const test = new TestGroups();
    test.createStream('s', 2);
    const first = join(test, 'one');
    join(test, 'two');
    const again = join(test, 'one');
    assert.deepEqual(countOf(again.assigned ?? new Map()), 1);
    assert.ok(again.epoch > first.epoch);
    const two = beat(test, 'two', groupOf(test).members.get('two')?.epoch ?? 0);
    assert.equal(countOf(two.assigned ?? new Map()), 1);
  });

  it('lets go of a member that is not heard, and of one that does not give up what it should', () => {
    const test = new TestGroups();
    test.createStream('s', 2);
    const one = join(test, 'one');
    const two = join(test, 'two');
    for (let i = 0; i < 3; i++) {
      test.time.pass(9_000);
      if (groupOf(test).members.has('one')) beat(test, 'one', one.epoch);
      beat(test, 'two', two.epoch);
    }
    assert.deepEqual([...groupOf(test).members.keys()], ['one', 'two']);
    test.time.pass(2_001);
    assert.deepEqual([...groupOf(test).members.keys()], ['two']);
    const alone = beat(test, 'two', two.epoch);
    assert.equal(countOf(alone.assigned ?? new Map()), 2);
    test.time.pass(45_000);
    assert.equal(groupOf(test).state, 'Empty');
  });

  it('waits for its members as long as is set for it', () => {
    const test = new TestGroups();
    test.configs.set('consumer.session.timeout.ms', '2000');
    join(test, 'one');
    assert.equal(test.groups.find('/', 'g')?.consumerTimes.heartbeatMs, 5000);
    test.time.pass(1_999);
    assert.equal(groupOf(test).members.size, 1);
    test.time.pass(1);
    assert.equal(groupOf(test).members.size, 0);
  });

  it('keeps what a member had that says it will be back, under its name', () => {
    const test = new TestGroups();
    const { id } = test.createStream('s', 2);
    const one = join(test, 'one', { instanceId: 'a' });
    const two = join(test, 'two', { instanceId: 'b' });
    beat(test, 'one', one.epoch, { instanceId: 'a' });
    const kept = beat(test, 'one', one.epoch, { instanceId: 'a', owned: new Map([[id, new Set([0])]]) });
    beat(test, 'two', two.epoch, { instanceId: 'b' });
    const { epoch } = groupOf(test);
    assert.throws(() => join(test, 'three', { instanceId: 'a' }), { kind: 'unreleased-instance' });
    beat(test, 'one', -2, { instanceId: 'a' });
    assert.equal(beat(test, 'two', two.epoch, { instanceId: 'b' }).assigned, null);
    const back = join(test, 'three', { instanceId: 'a' });
    assert.deepEqual(lists(back.assigned), { [id]: [0] });
    assert.equal(back.epoch, kept.epoch);
    assert.equal(groupOf(test).epoch, epoch);
    assert.throws(() => beat(test, 'one', one.epoch, { instanceId: 'a' }), { kind: 'fenced-instance' });
  });

  it('goes on after a restart where it was, and sees what has changed meanwhile', () => {
    for (const fromSnapshot of [false, true]) {
      const test = new TestGroups();
      const { id } = test.createStream('s', 2);
      const one = join(test, 'one');
      const two = join(test, 'two');
      const less = beat(test, 'one', one.epoch);
      assert.deepEqual(lists(less.assigned), { [id]: [0] });
      test.streams.set('s', 4);
      test.restart({ fromSnapshot });
      const more = beat(test, 'one', one.epoch, { owned: less.assigned });
      assert.ok(groupOf(test).epoch > two.epoch);
      assert.deepEqual(lists(more.assigned), { [id]: [0, 2] });
      const rest = beat(test, 'two', two.epoch);
      assert.deepEqual(lists(rest.assigned), { [id]: [1, 3] });
      assert.equal(groupOf(test).state, 'Stable');
    }
  });

  it('uses the assignor that most of its members prefer', () => {
    const test = new TestGroups();
    const a = test.createStream('s', 4);
    join(test, 'one', { assignor: 'range' });
    assert.equal(groupOf(test).assignor, 'range');
    join(test, 'two', { assignor: 'range' });
    assert.deepEqual(lists(groupOf(test).members.get('one')?.target ?? null), { [a.id]: [0, 1] });
    join(test, 'three', { assignor: 'uniform' });
    assert.equal(groupOf(test).assignor, 'range');
  });

  it('gives to a member with an expression only streams that it may see, also after a restart', () => {
    const test = new TestGroups();
    const { id } = test.createStream('mine', 1);
    test.createStream('theirs', 1);
    const wishes = { names: [], expression: '.*', maySee: (name: string) => name === 'mine' };
    const first = join(test, 'one', wishes);
    assert.deepEqual(lists(first.assigned), { [id]: [0] });
    test.restart();
    const other = test.createStream('others', 1);
    join(test, 'two', { names: ['others'] });
    assert.deepEqual(lists(groupOf(test).members.get('one')?.target ?? null), { [id]: [0] });
    assert.deepEqual(lists(groupOf(test).members.get('two')?.target ?? null), { [other.id]: [0] });
    beat(test, 'one', first.epoch, { maySee: () => true });
    assert.equal(groupOf(test).members.get('one')?.target.size, 2);
  });

  it('becomes a classic one when it is empty, and one again', () => {
    const test = new TestGroups({ migration: 'disabled' });
    test.createStream('s', 1);
    const one = join(test, 'one');
    beat(test, 'one', one.epoch);
    let error: string | null = null;
    const request = {
      memberId: '',
      instanceId: null,
      clientId: '',
      host: '',
      sessionMs: 10_000,
      rebalanceMs: 10_000,
      protocolType: 'consumer',
      protocols: [{ name: 'range', metadata: Buffer.from('s') }],
      requiresKnownId: false,
      canSkipAssignment: false,
    };
    test.groups.join('/', 'g', { ...request, protocolType: 'connect' }, (outcome) => {
      error = outcome.error;
    });
    assert.equal(error, 'inconsistent-protocol');
    test.commit(1, { memberId: 'one', generation: one.epoch });
    beat(test, 'one', -1);
    let memberId = '';
    test.groups.join('/', 'g', request, (outcome) => {
      memberId = outcome.memberId;
    });
    assert.equal(test.groups.find('/', 'g')?.membership.type, 'classic');
    assert.throws(() => join(test, 'two'), { kind: 'group-not-found' });
    test.groups.leave('/', 'g', [{ memberId, instanceId: null }]);
    assert.ok(join(test, 'two').epoch > one.epoch);
    assert.equal(test.committed(), 1);
  });
});
