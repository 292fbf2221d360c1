import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ClassicClient, TestGroups } from './test-groups.ts';

function stateOf(test: TestGroups): string | undefined {
  return test.groups.find('/', 'g')?.state;
}

/** One member, that has all. */
function alone(test: TestGroups, instanceId: string | null = null): ClassicClient {
  const client = new ClassicClient(test, instanceId).join().sync();
  assert.equal(client.synced?.error, null);
  return client;
}

/** The first one and another, with a generation of their own. */
function pair(test: TestGroups): [ClassicClient, ClassicClient] {
  const one = alone(test);
  const two = new ClassicClient(test).join();
  one.join();
  one.sync();
  two.sync();
  return [one, two];
}

describe('a classic group', () => {
  it('gives each member what the leader says for it, and nothing to whom it forgets', () => {
    const test = new TestGroups();
    const [one, two] = pair(test);
    assert.equal(one.joined?.leader, one.id);
    assert.equal(two.joined?.leader, one.id);
    assert.deepEqual(
      [one.synced?.assignment.toString(), two.synced?.assignment.toString()],
      [`2 ${one.id}`, `2 ${two.id}`],
    );
    assert.equal(stateOf(test), 'Stable');
    assert.deepEqual([one.heartbeat(), two.heartbeat()], [null, null]);
  });

  it('lets go of a member that is not heard for its session time-out, and tells the others', () => {
    const test = new TestGroups();
    const [one, two] = pair(test);
    test.time.pass(9_999);
    assert.equal(one.heartbeat(), null);
    test.time.pass(1);
    assert.equal(stateOf(test), 'PreparingRebalance');
    assert.equal(one.heartbeat(), 'rebalance-in-progress');
    assert.equal(two.heartbeat(), 'unknown-member');
    one.join();
    assert.equal(one.joined?.members.length, 1);
  });

  it('begins a generation without those that have not joined again within their rebalance time-out', () => {
    const test = new TestGroups();
    const [one, two] = pair(test);
    const three = new ClassicClient(test).join();
    two.join();
    for (let i = 0; i < 4; i++) {
      test.time.pass(4_999);
      assert.equal(one.heartbeat(), 'rebalance-in-progress');
    }
    assert.equal(three.isAnswered, false);
    test.time.pass(5_000);
    assert.equal(three.joined?.error, null);
    assert.equal(two.joined?.leader, two.joined?.memberId);
    assert.equal(one.heartbeat(), 'unknown-member');
  });

  it('begins another generation if a member does not ask for its part', () => {
    const test = new TestGroups();
    const [one, two] = pair(test);
    one.join();
    two.join();
    assert.equal(one.joined?.error, null);
    for (let i = 0; i < 4; i++) {
      test.time.pass(4_999);
      assert.equal(two.heartbeat(), null);
      one.sync();
      test.time.pass(1);
    }
    assert.equal(stateOf(test), 'PreparingRebalance');
    assert.equal(two.heartbeat(), 'unknown-member');
  });

  it('has a generation of its own after the last one has left, and the old one is fenced off', () => {
    const test = new TestGroups();
    const one = alone(test);
    const { generation } = one;
    assert.equal(one.leave(), null);
    assert.equal(stateOf(test), 'Empty');
    assert.equal(one.leave(), 'unknown-member');
    const two = alone(test);
    assert.ok(two.generation > generation);
  });

  it('tells a new member its id first, and waits for it as long as its session lasts', () => {
    const test = new TestGroups();
    const one = alone(test);
    const two = new ClassicClient(test).join({ requiresKnownId: true });
    assert.equal(two.joined?.error, 'member-id-required');
    const three = new ClassicClient(test).join();
    one.join();
    assert.equal(three.isAnswered, false);
    test.time.pass(10_000);
    assert.deepEqual([one.joined?.error, three.joined?.error], [null, null]);
    two.join();
    assert.equal(two.joined?.error, 'unknown-member');
  });

  it('is gone if nobody came who was told an id', () => {
    const test = new TestGroups();
    new ClassicClient(test).join({ requiresKnownId: true });
    assert.equal(stateOf(test), 'Empty');
    test.time.pass(10_000);
    assert.equal(stateOf(test), undefined);
    assert.equal(test.journal.length, 0);
  });

  it('gathers its first members for as long as it is set to, and longer while more come', () => {
    const test = new TestGroups({ initialRebalanceDelayMs: 3000 });
    const one = new ClassicClient(test).join();
    test.time.pass(2_000);
    const two = new ClassicClient(test).join();
    test.time.pass(2_000);
    assert.equal(one.isAnswered, false);
    test.time.pass(2_000);
    assert.deepEqual([one.joined?.generation, two.joined?.generation], [1, 1]);
  });

  it('selects the protocol that most of those prefer which all of them know', () => {
    const test = new TestGroups({ initialRebalanceDelayMs: 10 });
    const clients = [
      ['a', 'b', 'c'],
      ['c', 'b'],
      ['x', 'b', 'c'],
    ].map((protocols) => {
      const client = new ClassicClient(test);
      client.protocols = protocols;
      return client.join();
    });
    test.time.pass(20);
    assert.deepEqual(
      clients.map(({ joined }) => joined?.protocol),
      ['b', 'b', 'b'],
    );
    const other = new ClassicClient(test);
    other.protocols = ['y'];
    assert.equal(other.join().joined?.error, 'inconsistent-protocol');
    assert.equal(
      new ClassicClient(test).join({ protocolType: 'connect' }).joined?.error,
      'inconsistent-protocol',
    );
  });

  it('gives a restarted client that keeps its name what it had, and fences off the old one', () => {
    const test = new TestGroups();
    const one = alone(test, 'name');
    const { id, generation } = one;
    const again = new ClassicClient(test, 'name').join();
    assert.deepEqual(
      [again.joined?.error, again.generation, again.joined?.skipAssignment],
      [null, generation, true],
    );
    assert.notEqual(again.id, id);
    assert.equal(stateOf(test), 'Stable');
    assert.equal(again.sync().synced?.assignment.toString(), `1 ${id}`);
    assert.equal(one.heartbeat(), 'fenced-instance');
    test.restart();
    assert.equal(again.heartbeat(), null);
  });

  it('waits for a client that keeps its name, but not for ever', () => {
    const test = new TestGroups();
    const one = alone(test, 'name');
    const two = new ClassicClient(test).join();
    test.time.pass(9_999);
    assert.equal(two.isAnswered, false);
    test.time.pass(1);
    assert.equal(two.joined?.error, null);
    assert.equal(one.heartbeat(), 'unknown-member');
  });

  it('has members as it is set to, and no more', () => {
    const test = new TestGroups({ membersMax: 1 });
    const one = alone(test);
    assert.equal(new ClassicClient(test).join().joined?.error, 'group-full');
    assert.equal(one.heartbeat(), null);
    assert.equal(one.join().joined?.error, null);
  });

  it('refuses sessions that are too short or too long', () => {
    const test = new TestGroups();
    for (const sessionMs of [5_999, 1_800_001, -1]) {
      assert.equal(new ClassicClient(test).join({ sessionMs }).joined?.error, 'invalid-session-timeout');
    }
    assert.equal(test.groups.find('/', 'g'), undefined);
  });

  it('answers a member that waits when its group is deleted with the virtual host', () => {
    const test = new TestGroups();
    alone(test);
    const two = new ClassicClient(test).join();
    test.groups.deleteAll('/');
    assert.equal(two.joined?.error, 'unknown-member');
    assert.equal(test.groups.find('/', 'g'), undefined);
  });
});

describe('the offsets of a classic group', () => {
  it('are forgotten some time after the last member has left, with the group', () => {
    const test = new TestGroups();
    test.createStream('s', 2);
    test.groups.recovered();
    const one = alone(test);
    test.commit(5, { memberId: one.id, generation: one.generation });
    for (let i = 0; i < 200; i++) {
      test.time.pass(5_000);
      assert.equal(one.heartbeat(), null);
    }
    one.leave();
    test.time.pass(7 * 24 * 3_600_000 - 600_000);
    assert.equal(test.committed(), 5);
    test.time.pass(1_200_000);
    assert.equal(test.committed(), undefined);
    assert.equal(test.groups.find('/', 'g'), undefined);
    test.restart();
    assert.equal(test.groups.find('/', 'g'), undefined);
  });

  it('cannot be deleted while members read the stream', () => {
    const test = new TestGroups();
    const read = test.createStream('s', 1);
    const other = test.createStream('other', 1);
    const one = alone(test);
    test.commit(1, { memberId: one.id, generation: one.generation });
    test.commit(1, { stream: 'other', memberId: one.id, generation: one.generation });
    const wanted = new Map([
      [read.id, new Set([0])],
      [other.id, new Set([0])],
    ]);
    assert.deepEqual(test.groups.forgetOffsets('/', 'g', wanted), new Map([[read.id, new Set([0])]]));
    assert.deepEqual([test.committed(), test.committed(0, { stream: 'other' })], [1, undefined]);
  });
});
