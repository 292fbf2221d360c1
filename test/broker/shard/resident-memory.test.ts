import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Garbage } from '../../../src/broker/shard/garbage.ts';
import { type HeapUse, ResidentMemory } from '../../../src/broker/shard/resident-memory.ts';

const MARK = 1000;

/** A process of so many resident bytes, whose garbage can be collected, on a clock that is set. */
class Process {
  nowMs = 0;
  collections = 0;
  collectionMs = 0;
  residentBytes = 0;
  heap: HeapUse = { physicalBytes: 0, usedBytes: 0 };
  /** In use after a collection. */
  liveBytes = 0;
  readonly memory = new ResidentMemory(
    MARK,
    () => this.residentBytes,
    new Garbage({ monotonicMs: () => this.nowMs }, async () => {
      this.collections++;
      this.nowMs += this.collectionMs;
      this.heap = { ...this.heap, usedBytes: this.liveBytes };
    }),
    () => this.heap,
  );
}

const collected = () => new Promise((resolve) => setImmediate(resolve));

describe('the memory that the process needs', () => {
  it('is what is resident, as long as that is not beyond the mark', () => {
    const process_ = new Process();
    process_.residentBytes = MARK;
    process_.heap = { physicalBytes: 500, usedBytes: 100 };
    assert.equal(process_.memory.bytes(), MARK);
    assert.equal(process_.collections, 0);
  });

  it('is less than that where pages of the heap are free', () => {
    const process_ = new Process();
    process_.residentBytes = 1200;
    process_.heap = { physicalBytes: 500, usedBytes: 200 };
    assert.equal(process_.memory.bytes(), 900);
    assert.equal(process_.collections, 0);
  });

  it('is not beyond the mark before garbage was collected, and without it afterwards', async () => {
    const process_ = new Process();
    process_.residentBytes = 1500;
    process_.heap = { physicalBytes: 900, usedBytes: 800 };
    process_.liveBytes = 300;
    assert.equal(process_.memory.bytes(), MARK);
    await collected();
    assert.equal(process_.collections, 1);
    assert.equal(process_.memory.bytes(), 900);
  });

  it('is beyond the mark if most of it is in use; that is asked again, the sooner the less it takes', async () => {
    const process_ = new Process();
    process_.residentBytes = 1500;
    process_.heap = { physicalBytes: 900, usedBytes: 880 };
    process_.liveBytes = 850;
    assert.equal(process_.memory.bytes(), MARK);
    await collected();
    assert.equal(process_.memory.bytes(), 1450);
    for (const [collectionMs, lastsMs] of [
      [0, 1000],
      [50, 5000],
      [5000, 30_000],
    ] as const) {
      process_.nowMs += 30_000;
      process_.collectionMs = collectionMs;
      const { collections } = process_;
      assert.equal(process_.memory.bytes(), MARK);
      await collected();
      process_.nowMs += lastsMs - 1;
      assert.equal(process_.memory.bytes(), 1450);
      assert.equal(process_.collections, collections + 1);
      process_.nowMs += 1;
      assert.equal(process_.memory.bytes(), MARK);
      await collected();
      assert.equal(process_.collections, collections + 2);
    }
  });
});
