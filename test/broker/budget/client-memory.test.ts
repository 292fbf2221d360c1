import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  ClientMemory,
  type ConnectionMemory,
  type MemoryUser,
} from '../../../src/broker/budget/client-memory.ts';

const LIMITS = { bytesMax: 1000, userBytesMax: 250, pausedMsMax: 60_000 };

/** Notes what it is told. */
class Noted implements MemoryUser {
  readonly told: string[] = [];
  readonly memory: ConnectionMemory;

  constructor(all: ClientMemory, user: string) {
    this.memory = all.open(user, this);
  }

  memoryPaused(because: string): void {
    this.told.push(`paused: ${because}`);
  }

  memoryResumed(): void {
    this.told.push('resumed');
  }

  memoryRefused(because: string): void {
    this.told.push(`refused: ${because}`);
  }
}

describe('the memory of clients', () => {
  it('is counted by user and in all, and is nothing when all have closed', () => {
    const all = new ClientMemory(LIMITS);
    const [a, b, c] = ['ada', 'ada', 'bob'].map((user) => new Noted(all, user).memory);
    a.add(100);
    b.add(50);
    c.add(30);
    a.add(-20);
    assert.deepEqual([all.bytes, all.bytesOf('ada'), all.bytesOf('bob')], [160, 130, 30]);
    c.moveTo('ada');
    assert.deepEqual([all.bytes, all.bytesOf('ada'), all.bytesOf('bob')], [160, 160, 0]);
    for (const each of [a, b, c, a]) each.close();
    a.add(10);
    assert.deepEqual([all.bytes, all.userCount], [0, 0]);
  });

  it('of one user beyond its share stops all of its connections but one, and nobody else', () => {
    const all = new ClientMemory(LIMITS);
    const [first, second, other] = ['ada', 'ada', 'bob'].map((user) => new Noted(all, user));
    assert.ok(first.memory.add(300));
    assert.ok(second.memory.add(10));
    assert.ok(other.memory.add(100));
    assert.deepEqual([first.told, other.told], [[], []]);
    assert.match(second.told[0], /^paused: .*ada.* 310 bytes.*may hold 250 \(client-memory-per-user\)/);
    assert.ok(first.memory.add(100));
    assert.equal(first.memory.isPaused, false);
    first.memory.add(-400);
    assert.equal(second.told.at(-1), 'resumed');
    assert.equal(second.memory.isPaused, false);
  });

  it('beyond the limit of all refuses who is over his share, and stops the others until there is room', () => {
    const all = new ClientMemory(LIMITS);
    const [flood, other] = ['ada', 'bob'].map((user) => new Noted(all, user));
    assert.ok(flood.memory.add(700));
    const rest = new Noted(all, 'carol');
    assert.ok(rest.memory.add(240));
    assert.ok(other.memory.add(70));
    assert.match(other.told[0], /^paused: clients hold 1010 bytes.*may hold 1000 \(client-memory-limit\)/);
    assert.equal(flood.memory.add(1), false);
    flood.memory.close();
    assert.equal(other.told.at(-1), 'resumed');
    assert.equal(all.bytes, 310);
  });

  it('of one user beyond its share is given to its connections in turns', () => {
    const all = new ClientMemory(LIMITS);
    const [slow, second, third] = ['ada', 'ada', 'ada'].map((user) => new Noted(all, user));
    for (const each of [slow, second, third]) each.memory.add(200);
    const paused = () => [slow, second, third].map(({ memory }) => memory.isPaused);
    assert.deepEqual(paused(), [false, false, true]);
    slow.memory.add(1);
    assert.deepEqual(paused(), [true, false, true]);
    all.check(0);
    assert.deepEqual(paused(), [true, false, false]);
    // It is its turn until the next check.
    third.memory.add(1);
    assert.deepEqual(paused(), [true, false, false]);
    all.check(500);
    // It grows, and may be about to finish.
    assert.deepEqual(paused(), [true, false, false]);
    all.check(1000);
    third.memory.add(1);
    assert.deepEqual(paused(), [false, false, true]);
  });

  it('of one user beyond its share is given to another connection after a while, though one grows without end', () => {
    const all = new ClientMemory({ ...LIMITS, bytesMax: 10_000 });
    const [waiting, endless] = ['ada', 'ada'].map((user) => new Noted(all, user));
    for (const each of [waiting, endless]) each.memory.add(200);
    waiting.memory.add(1);
    let checks = 0;
    for (; waiting.memory.isPaused; checks++) {
      assert.ok(checks < 20, 'it goes on for ever');
      endless.memory.add(1);
      all.check(checks * 500);
    }
    assert.equal(checks, 10);
    endless.memory.add(1);
    assert.equal(endless.memory.isPaused, true);
  });

  it('is not more for one user than a half beyond its share, however many connections begin something', () => {
    const MIB = 1024 * 1024;
    const all = new ClientMemory({ ...LIMITS, bytesMax: 4000 * MIB, userBytesMax: 1000 * MIB });
    const flood = Array.from({ length: 40 }, () => new Noted(all, 'ada'));
    let refused = 0;
    for (let step = 0; step < 1000; step++) {
      for (const { memory } of flood) {
        if (memory.isPaused || memory.bytes >= 100 * MIB) continue;
        if (!memory.add(MIB)) refused++;
        if (refused > 0) break;
      }
      assert.ok(all.bytesOf('ada') <= 1501 * MIB, `${all.bytesOf('ada')}`);
      if (refused > 0) break;
      all.check(step * 500);
    }
    assert.equal(refused, 1);
    assert.ok(all.bytesOf('ada') > 1500 * MIB);
  });

  it('is taken from those who have waited for too long', () => {
    const all = new ClientMemory(LIMITS);
    const floods = ['ada', 'eve'].map((user) => new Noted(all, user));
    for (const { memory } of floods) memory.add(490);
    const waiting = new Noted(all, 'bob');
    waiting.memory.add(30);
    for (const nowMs of [0, 30_000, 59_999]) all.check(nowMs);
    assert.equal(waiting.told.length, 1);
    all.check(60_000);
    assert.match(waiting.told[1], /^refused: clients hold 1010 bytes/);
  });

  it('that is used up is taken from those who hold most, and not from those who wait for it', () => {
    const all = new ClientMemory(LIMITS);
    const floods = ['ada', 'eve', 'ada', 'eve'].map((user) => new Noted(all, user));
    for (const [i, { memory }] of floods.entries()) memory.add(240 + i);
    const waiting = new Noted(all, 'bob');
    waiting.memory.add(40);
    all.check(0);
    all.check(9_999);
    assert.deepEqual([waiting.memory.isPaused, floods.map(({ told }) => told.length)], [true, [0, 0, 0, 0]]);
    all.check(10_000);
    const [, , , most] = floods;
    assert.match(most.told[0], /^refused: user holds|^refused: eve holds 484 bytes/);
    most.memory.close();
    assert.equal(waiting.told.at(-1), 'resumed');
    // Everybody goes on, and the next time begins anew.
    all.check(11_000);
    assert.deepEqual(
      floods.slice(0, 3).map(({ told }) => told.filter((line) => line.startsWith('refused')).length),
      [0, 0, 0],
    );
  });

  it('of one user is never all of it', () => {
    const all = new ClientMemory(LIMITS);
    const flood = new Noted(all, 'ada');
    assert.ok(flood.memory.add(750));
    assert.equal(flood.memory.add(1), false);
  });

  it("goes with a connection to another user, and what it takes when it is told to go on there is that one's", () => {
    const all = new ClientMemory(LIMITS);
    const other = new Noted(all, 'ada');
    other.memory.add(300);
    const moving = new Noted(all, 'ada');
    moving.memoryResumed = () => void moving.memory.add(30);
    moving.memory.add(20);
    assert.equal(moving.memory.isPaused, true);
    moving.memory.moveTo('bob');
    assert.deepEqual([all.bytesOf('ada'), all.bytesOf('bob'), all.bytes], [300, 50, 350]);
    moving.memory.moveTo('bob');
    assert.deepEqual([all.bytesOf('bob'), all.userCount], [50, 2]);
    moving.memory.close();
    other.memory.close();
    assert.deepEqual([all.bytes, all.userCount], [0, 0]);
  });

  it('goes on without those who have gone', () => {
    const all = new ClientMemory(LIMITS);
    const [exempt, next] = ['ada', 'ada'].map((user) => new Noted(all, user));
    exempt.memory.add(200);
    next.memory.add(200);
    exempt.memory.add(1);
    assert.equal(exempt.memory.isPaused, true);
    next.memory.close();
    assert.equal(exempt.memory.isPaused, false);
    exempt.memory.close();
    assert.deepEqual([all.bytes, all.userCount], [0, 0]);
  });
});
