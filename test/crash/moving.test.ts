import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cutOutOfTime, cutWhileMoving, fill, fillWhileMoving, goesOn } from './moving.ts';
import { MovingReader } from './moving-reader.ts';
import { DELAYED, MovingRun } from './moving-run.ts';
import { describeFailure, type Failure } from './power-cut.ts';

const SEEDS = 10;
const KIB = 1024;
const MEMORY_BYTES = 32 * KIB;
/** Beyond four times the limit nothing is added; what was begun is brought to its end. */
const MEMORY_BYTES_MAX = 6 * MEMORY_BYTES;
const BODY_BYTES = 500;
const TOGETHER = { size: BODY_BYTES };

async function all(run: (seed: number) => Promise<Failure | null>): Promise<void> {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const failure = await run(seed);
    if (failure !== null) assert.fail(describeFailure(failure));
  }
}

/** A backlog of many times the memory, in segments. */
async function backlog(count: number, publish: (run: MovingRun) => void): Promise<MovingRun> {
  const run = new MovingRun(1, {
    memoryLimitBytes: MEMORY_BYTES,
    chunkBytes: 8 * KIB,
    journalFileBytes: 64 * KIB,
    journalLimitBytes: 256 * KIB,
    segmentBytes: 256 * KIB,
  });
  await run.start();
  for (let i = 0; i < count; i++) {
    while (run.mustPause) await run.pass(1);
    publish(run);
  }
  return run;
}

/** How much memory the messages take at most, while time goes by. */
async function mostBytes(run: MovingRun, ms: number): Promise<number> {
  let most = 0;
  for (let passed = 0; passed < ms; passed += 10) {
    await run.pass(10);
    const { bytes, windowBytes } = run.broker.shard.store.chunks;
    most = Math.max(most, bytes - windowBytes);
  }
  return most;
}

describe('messages that move by themselves, by expiry, limits, failures, priorities and delays', () => {
  it('are in one place each, whenever the power is cut, the process killed, or the disk fails', () =>
    all(cutWhileMoving));

  it('are in one place each while the clock is set 20 hours forward and an hour back, and on a slow disk', () =>
    all(cutOutOfTime));

  it('are in one place each, whenever the disk is full, and go on when there is space', () =>
    all(fillWhileMoving));

  it('have not failed more often than they may, when a crash comes before they could leave', async () => {
    for (let seed = 1; seed <= 20; seed++) {
      const run = new MovingRun(seed, { memoryLimitBytes: MEMORY_BYTES, chunkBytes: 8 * KIB });
      await run.start();
      const reader = new MovingReader(run, run.queue('ranks'), Number.POSITIVE_INFINITY);
      for (let i = 0; i < 80; i++) {
        while (run.mustPause) await run.pass(1);
        run.publish('', 'ranks', { size: 1000 });
      }
      // Two failures may be; at the third they have left memory, and have to be read to be sent on.
      for (let failures = 0; failures < 3; failures++) {
        await run.pass(300);
        reader.requeueAll();
      }
      // Somebody waits for commits, so that there are some meanwhile.
      for (let steps = run.between(1, 40); steps > 0; steps--) {
        run.publish('', 'end', { size: 10 });
        await run.time.step();
      }
      await run.end('crash');
      await run.start();
      await run.drain();
    }
  });

  it('stay where they are while a full disk takes no dead letters, and do not fill the memory', async () => {
    const run = await backlog(2000, (each) => each.publish('', 'waiting', { ...TOGETHER }));
    fill(run, 0);
    const most = await mostBytes(run, 5000);
    assert.ok(most < MEMORY_BYTES_MAX, `${most} bytes of memory`);
    run.fs.capacityBytes = Number.MAX_SAFE_INTEGER;
    await goesOn(run);
    await run.drain();
    assert.equal(run.count, 0);
  });

  it('stay where they are while a full disk takes none of those that come due, and do not fill the memory', async () => {
    const run = await backlog(3000, (each) => each.publish(DELAYED, 'end', { ...TOGETHER, delayMs: 10_000 }));
    fill(run, 0);
    const most = await mostBytes(run, 15_000);
    assert.ok(most < MEMORY_BYTES_MAX, `${most} bytes of memory`);
    run.fs.capacityBytes = Number.MAX_SAFE_INTEGER;
    await goesOn(run);
    await run.drain();
    assert.equal(run.count, 0);
  });
});
