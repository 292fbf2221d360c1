import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { SharedBudget } from '../../../src/broker/budget/shared-budget.ts';
import { allocateSharedBudget } from '../../../src/broker/budget/shared-memory.ts';
import { FollowedMemoryAlarm } from '../../../src/broker/shard/followed-memory-alarm.ts';
import { Garbage } from '../../../src/broker/shard/garbage.ts';
import { HeapReport, HeapsOfOthers } from '../../../src/broker/shard/heaps-of-all.ts';
import { ResidentMemory } from '../../../src/broker/shard/resident-memory.ts';

const MARK = 1000;
const collected = () => new Promise((resolve) => setImmediate(resolve));

/** A process of two shards, each with a heap of its own. */
class Process {
  residentBytes = 0;
  readonly heaps = [
    { physicalBytes: 0, usedBytes: 0 },
    { physicalBytes: 0, usedBytes: 0 },
  ];
  readonly collections = [0, 0];
  readonly #together = this.#shards();
  readonly memory = new ResidentMemory(
    MARK,
    () => this.residentBytes,
    this.#garbage(0),
    () => this.heaps[0] as (typeof this.heaps)[0],
    new HeapsOfOthers(this.#together[0] as SharedBudget),
  );
  readonly report = new HeapReport(
    this.#together[1] as SharedBudget,
    this.#garbage(1),
    () => this.heaps[1] as (typeof this.heaps)[0],
  );
  readonly changes: boolean[] = [];
  readonly followed = new FollowedMemoryAlarm({
    alarm: (this.#together[1] as SharedBudget).counter('memory-alarm'),
    heap: this.report,
    scheduler: { every: () => ({ cancel: () => undefined }) } as never,
    onChange: (isOver) => this.changes.push(isOver),
  });

  raise(isRaised: boolean): void {
    this.#together[0]?.counter('memory-alarm').set(isRaised ? 1 : 0);
  }

  #shards(): SharedBudget[] {
    const memory = allocateSharedBudget(2);
    return [0, 1].map((number) => new SharedBudget({ number, count: 2 }, memory));
  }

  #garbage(number: number): Garbage {
    return new Garbage({ monotonicMs: () => 0 }, async () => {
      this.collections[number] = (this.collections[number] ?? 0) + 1;
    });
  }
}

describe('the memory of a process with several shards', () => {
  it('is less what is free in the heaps of all threads', () => {
    const all = new Process();
    all.residentBytes = 1500;
    all.heaps[0] = { physicalBytes: 400, usedBytes: 300 };
    all.heaps[1] = { physicalBytes: 800, usedBytes: 200 };
    all.report.tell();
    assert.equal(all.memory.bytes(), 800);
    assert.deepEqual(all.collections, [0, 0]);
  });

  it('is not beyond the mark before all threads have collected their garbage', async () => {
    const all = new Process();
    all.residentBytes = 1500;
    assert.equal(all.memory.bytes(), MARK);
    await collected();
    assert.deepEqual(all.collections, [1, 0]);
    assert.equal(all.memory.bytes(), MARK);
    all.report.tell();
    await collected();
    assert.deepEqual(all.collections, [1, 1]);
    assert.equal(all.memory.bytes(), MARK);
    all.report.tell();
    assert.equal(all.memory.bytes(), 1500);
    // It need not be done when memory is not short.
    all.residentBytes = 500;
    assert.equal(all.memory.bytes(), 500);
    all.report.tell();
    all.residentBytes = 1500;
    assert.equal(all.memory.bytes(), MARK);
  });

  it('is short in all shards when shard 0 finds so', () => {
    const all = new Process();
    all.raise(true);
    all.followed.sample();
    all.followed.sample();
    all.raise(false);
    all.followed.sample();
    assert.deepEqual(all.changes, [true, false]);
  });
});
