import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { countOf, type PartitionSet } from '../../../src/broker/groups/partition-sets.ts';
import { ClassicClient, firstHeartbeat, TestGroups, textCodec } from './test-groups.ts';

function kindOf(test: TestGroups): string | undefined {
  return test.groups.find('/', 'g')?.membership.type;
}

/** A classic group of one, which has all four partitions. */
function classicGroup(test: TestGroups): ClassicClient {
  test.createStream('s', 4);
  const client = new ClassicClient(test);
  client.assign = () => [{ topic: 's', partitions: [0, 1, 2, 3] }];
  client.join().sync();
  test.commit(7, { memberId: client.id, generation: client.generation });
  return client;
}

function partitionsOf(client: ClassicClient): readonly number[] {
  const { assignment = Buffer.alloc(0) } = client.synced ?? {};
  return textCodec.readAssignment('consumer', assignment).flatMap(({ partitions }) => partitions);
}

function countIn(set: PartitionSet | null): number {
  return countOf(set ?? new Map());
}

describe('a group whose members go over to the protocol in which the broker divides', () => {
  it('keeps what each has until it has let go of it, and what was committed', () => {
    const test = new TestGroups();
    const old = classicGroup(test);
    const first = test.groups.consumerHeartbeat('/', 'g', firstHeartbeat);
    assert.equal(kindOf(test), 'consumer');
    assert.equal(countIn(first.assigned), 0);
    assert.equal(old.heartbeat(), 'rebalance-in-progress');
    test.commit(8, { memberId: old.id, generation: old.generation });
    // It has let go of all before it joins.
    old.join().sync();
    assert.equal(partitionsOf(old).length, 2);
    const { epoch } = first;
    const second = test.groups.consumerHeartbeat('/', 'g', {
      ...firstHeartbeat,
      epoch,
      names: null,
      rebalanceMs: -1,
      owned: null,
    });
    assert.equal(countIn(second.assigned), 2);
    assert.equal(old.heartbeat(), null);
    assert.equal(test.committed(), 8);
    test.restart();
    assert.equal(old.heartbeat(), null);
    assert.equal(kindOf(test), 'consumer');
  });

  it('waits for a member that keeps what it has while it joins, until it has let go of it', () => {
    const test = new TestGroups();
    const old = classicGroup(test);
    const { epoch } = test.groups.consumerHeartbeat('/', 'g', firstHeartbeat);
    old.wishes = 's [{"topic":"s","partitions":[0,1,2,3]}]';
    old.join().sync();
    const kept = partitionsOf(old);
    assert.equal(kept.length, 2);
    const beat = () =>
      test.groups.consumerHeartbeat('/', 'g', {
        ...firstHeartbeat,
        epoch,
        names: null,
        rebalanceMs: -1,
        owned: null,
      });
    assert.equal(beat().assigned, null);
    old.wishes = `s [{"topic":"s","partitions":[${kept}]}]`;
    old.join().sync();
    assert.deepEqual(partitionsOf(old), kept);
    assert.equal(countIn(beat().assigned), 2);
  });

  it('goes back when the last one that went over has left', () => {
    const test = new TestGroups();
    const old = classicGroup(test);
    test.groups.consumerHeartbeat('/', 'g', firstHeartbeat);
    old.join().sync();
    test.groups.consumerHeartbeat('/', 'g', { ...firstHeartbeat, epoch: -1 });
    assert.equal(kindOf(test), 'classic');
    assert.equal(old.heartbeat(), 'rebalance-in-progress');
    const { generation } = old;
    old.join().sync();
    assert.ok(old.generation > generation);
    assert.equal(partitionsOf(old).length, 4);
    test.restart();
    assert.equal(kindOf(test), 'classic');
    assert.equal(old.heartbeat(), null);
  });

  it('goes back also if the broker stops before those who stay have joined again', () => {
    for (const fromSnapshot of [false, true]) {
      const test = new TestGroups();
      const old = classicGroup(test);
      test.groups.consumerHeartbeat('/', 'g', firstHeartbeat);
      old.join().sync();
      test.groups.consumerHeartbeat('/', 'g', { ...firstHeartbeat, epoch: -1 });
      test.restart({ fromSnapshot });
      assert.equal(old.heartbeat(), 'rebalance-in-progress');
      old.join().sync();
      assert.equal(partitionsOf(old).length, 4);
    }
  });

  it('stays as it is if that is not wanted, or if nobody knows what its members read', () => {
    for (const test of [
      new TestGroups({ migration: 'disabled' }),
      new TestGroups({ migration: 'downgrade' }),
    ]) {
      const old = classicGroup(test);
      assert.throws(() => test.groups.consumerHeartbeat('/', 'g', firstHeartbeat), {
        kind: 'group-not-found',
      });
      assert.equal(old.heartbeat(), null);
    }
    const test = new TestGroups();
    const connect = new ClassicClient(test).join({ protocolType: 'connect' }).sync();
    assert.throws(() => test.groups.consumerHeartbeat('/', 'g', firstHeartbeat), { kind: 'group-not-found' });
    assert.equal(connect.heartbeat(), null);
  });
});
