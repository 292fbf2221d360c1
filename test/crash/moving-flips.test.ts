import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { flipWhileMoving } from './moving-flips.ts';
import { MovingReader } from './moving-reader.ts';
import { MovingRun } from './moving-run.ts';
import { describeFailure } from './power-cut.ts';

const SEEDS = 10;
const KIB = 1024;

describe('one flipped bit where messages move by themselves', () => {
  it('is named by the start, by the queue or by the doctor, and all are healed', async () => {
    let reported = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      const outcome = await flipWhileMoving(seed);
      if (typeof outcome !== 'string') assert.fail(describeFailure(outcome));
      if (outcome === 'reported') reported++;
    }
    assert.ok(reported > 0);
  });

  it('does not come back after a purge, though there were messages on their way out', async () => {
    const run = new MovingRun(1, {
      memoryLimitBytes: 32 * KIB,
      chunkBytes: 8 * KIB,
      journalFileBytes: 64 * KIB,
      journalLimitBytes: 256 * KIB,
      segmentBytes: 256 * KIB,
    });
    await run.start();
    const queue = run.queue('ranks');
    const reader = new MovingReader(run, queue, Number.POSITIVE_INFINITY);
    for (let i = 0; i < 200; i++) {
      while (run.mustPause) await run.pass(1);
      run.publish('', 'ranks', { size: 1000 });
    }
    await run.pass(1000);
    assert.equal(queue.unacknowledgedCount, 200);
    const [segment] = run.fs.files().filter(({ path }) => path.includes(`/logs/${queue.id}/`));
    run.damagedPath = segment!.path;
    run.fs.flipBit(segment!.path, 100, 1);
    // They left memory while the reader had them.
    reader.rejectAll();
    await run.pass(1000);
    assert.match(String(queue.corruption?.message), /is damaged at byte 0: checksum/);
    assert.ok(queue.leavingCount > 0);

    queue.purge();
    run.publish('', 'ranks', { size: 10 });
    const next = new MovingReader(run, queue, 1);
    await run.pass(1000);
    assert.equal(queue.corruption, null);
    assert.equal(queue.unacknowledgedCount, 1);
    assert.equal(queue.leavingCount, 0);
    assert.ok(queue.ledger.lost > 0 && queue.isBalanced);
    next.close();
  });
});
