import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { ConsumerGroup } from '../../../src/broker/groups/consumer/consumer-group.ts';
import { decodeGroupOperation } from '../../../src/broker/groups/operations.ts';
import { countOf } from '../../../src/broker/groups/partition-sets.ts';
import { Loop } from '../../base/loop.ts';
import { ClassicClient, firstHeartbeat, TestGroups } from './test-groups.ts';

/** A look at its clock takes a millisecond, so that a turn is some steps long. */
class SlowLoop extends Loop {
  override monotonicMs(): number {
    return ++this.ms;
  }
}

const MEMBERS = 600;
const PARTITIONS = 5000;

function membership(test: TestGroups): ConsumerGroup {
  const found = test.groups.find('/', 'g')?.membership;
  assert.ok(found?.type === 'consumer');
  return found;
}

function join(test: TestGroups, memberId: string): void {
  test.groups.consumerHeartbeat('/', 'g', { ...firstHeartbeat, memberId });
}

/** How many partitions have one who shall have them. */
function targeted(test: TestGroups): number {
  const seen = new Set<number>();
  let count = 0;
  for (const { target } of membership(test).members.values()) {
    count += countOf(target);
    for (const partitions of target.values()) for (const each of partitions) seen.add(each);
  }
  assert.equal(count, seen.size, 'no partition is for two');
  return count;
}

describe('a consumer group of very many', () => {
  it('has its target made in turns with others, and its members learn it with a later heartbeat', async () => {
    const loop = new SlowLoop();
    const test = new TestGroups({}, loop.time);
    test.createStream('s', PARTITIONS);
    for (let i = 0; i < MEMBERS; i++) join(test, `m${i}`);
    const group = membership(test);
    assert.equal(group.state, 'Assigning');
    let iterations = 0;
    for (; group.state === 'Assigning'; iterations++) await loop.iteration();
    assert.ok(iterations > 20, `${iterations} iterations`);
    assert.equal(targeted(test), PARTITIONS);
    // In the first round each lets go of what it had, in the second it gets what others had.
    for (let round = 0; round < 2; round++) {
      for (const { id, epoch } of group.members.values()) {
        test.groups.consumerHeartbeat('/', 'g', { ...firstHeartbeat, memberId: id, epoch, names: null });
      }
    }
    const total = [...group.members.values()].reduce((sum, { assigned }) => sum + countOf(assigned), 0);
    assert.equal(total, PARTITIONS);
  });

  it('is journaled in parts, and has a new target made if the broker ended between them', async () => {
    const loop = new SlowLoop();
    const test = new TestGroups({}, loop.time);
    test.createStream('s', PARTITIONS);
    for (let i = 0; i < MEMBERS; i++) join(test, `m${i}`);
    const group = membership(test);
    const before = test.journal.length;
    while (group.state === 'Assigning') await loop.iteration();
    const parts = test.journal.slice(before).map((bytes) => decodeGroupOperation(bytes));
    const sizes = parts.map((part) => ('members' in part ? part.members.length : 0));
    assert.ok(Math.max(...sizes) <= 250, `${sizes}`);
    test.journal.pop();
    test.restart();
    assert.equal(membership(test).state, 'Assigning');
    test.groups.consumerHeartbeat('/', 'g', { ...firstHeartbeat, memberId: 'm0' });
    while (membership(test).state === 'Assigning') await loop.iteration();
    assert.equal(targeted(test), PARTITIONS);
  });

  it('of a few members is divided at once, however busy the event loop is', () => {
    const test = new TestGroups({}, new SlowLoop().time);
    test.createStream('s', 1000);
    for (let i = 0; i < 20; i++) join(test, `m${i}`);
    assert.notEqual(membership(test).state, 'Assigning');
    assert.equal(targeted(test), 1000);
  });

  it('is left alone when it is deleted while its target is made', async () => {
    const loop = new SlowLoop();
    const test = new TestGroups({}, loop.time);
    test.createStream('s', PARTITIONS);
    for (let i = 0; i < MEMBERS; i++) join(test, `m${i}`);
    test.groups.deleteAll('/');
    const { length } = test.journal;
    while (!loop.isIdle) await loop.iteration();
    assert.equal(test.journal.length, length);
  });

  it('takes as many names of streams as can be looked at, and refuses more', () => {
    const test = new TestGroups();
    const names = Array.from({ length: 20_000 }, (_, i) => `n${i}`);
    for (let i = 0; i < 10; i++) {
      test.groups.consumerHeartbeat('/', 'g', { ...firstHeartbeat, memberId: `m${i}`, names });
    }
    assert.throws(
      () => test.groups.consumerHeartbeat('/', 'g', { ...firstHeartbeat, memberId: 'more', names }),
      { kind: 'group-full' },
    );
  });
});

describe('a classic group of very many', () => {
  it('answers its members a few at a time when the last one has joined', async () => {
    const loop = new Loop();
    const test = new TestGroups({ initialRebalanceDelayMs: 100 }, loop.time);
    const clients = Array.from({ length: 500 }, () => new ClassicClient(test).join());
    test.time.pass(300);
    const answered = () => clients.filter(({ isAnswered }) => isAnswered).length;
    const counts = [answered()];
    while (answered() < 500) {
      const before = answered();
      await loop.iteration();
      counts.push(answered() - before);
    }
    assert.ok(Math.max(...counts) <= 32, `${Math.max(...counts)} at once`);
    for (const client of clients) client.sync();
    while (clients.some(({ synced }) => synced === null)) await loop.iteration();
    assert.ok(clients.every(({ id, synced }) => synced?.assignment.toString() === `1 ${id}`));
  });

  it('takes no more of what members tell the leader, and it gives to them, than one record of the journal', () => {
    const test = new TestGroups({ membershipBytesMax: 10_000 });
    const large = new ClassicClient(test);
    large.wishes = 'w'.repeat(9_000);
    large.join();
    assert.equal(large.joined?.error, null);
    const second = new ClassicClient(test);
    second.wishes = 'w'.repeat(2_000);
    assert.equal(second.join().joined?.error, 'group-full');
    large.assign = () => [{ topic: 't'.repeat(2_000), partitions: [0] }];
    assert.equal(large.sync().synced?.error, 'group-full');
    large.assign = null;
    assert.equal(large.sync().synced?.error, null);
    large.wishes = 'less';
    large.join();
    const third = new ClassicClient(test);
    third.wishes = 'w'.repeat(2_000);
    third.join();
    large.join();
    assert.equal(third.joined?.error, null);
  });

  it('takes a hundred protocols of a member, and refuses more', () => {
    const test = new TestGroups();
    const client = new ClassicClient(test);
    client.protocols = Array.from({ length: 101 }, (_, i) => `p${i}`);
    assert.equal(client.join().joined?.error, 'invalid-request');
    client.protocols.pop();
    assert.equal(client.join().joined?.error, null);
  });
});
