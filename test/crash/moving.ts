import { HistoryError } from './expected-queue.ts';
import { MovingRun } from './moving-run.ts';
import type { Failure } from './power-cut.ts';

const KIB = 1024;
const FREE_LIMIT_BYTES = 8 * KIB;
const PATIENCE_MS = 60_000;

/** Lets messages move, and the power be cut, a process end, or the disk fail, at any instant. Null if all is well. */
export async function cutWhileMoving(seed: number): Promise<Failure | null> {
  const run = new MovingRun(seed);
  return told(run, seed, async () => {
    await run.start();
    for (let lives = run.between(1, 4); lives > 0; lives--) {
      await run.work(run.between(5, 60));
      if (run.random() < 0.3) {
        run.mayFail = true;
        const operation = run.pick(['write', 'sync', 'syncDirectory', 'open', 'rename', 'read'] as const);
        run.note(`the next ${operation} fails`);
        run.fs.failNext(operation, 'EIO');
        await run.work(run.between(5, 40));
      }
      const share = run.random();
      // After a failed sync a process that goes on from the system's cache believes what is not on the disk.
      if (run.mayFail || share > 0.5) await run.end('crash');
      else if (share > 0.2) await run.end('kill');
      else await run.close();
      if (run.random() < 0.3) run.time.nowMs += run.random() * 100_000;
      await run.start();
    }
    await endOf(run);
  });
}

/**
 * As `cutWhileMoving`, while somebody sets the clock 20 hours forward and an hour back, or on a disk that takes 100 ms for each operation.
 * Null if all is well.
 */
export async function cutOutOfTime(seed: number): Promise<Failure | null> {
  const run = new MovingRun(seed);
  return told(run, seed, async () => {
    if (run.random() < 0.5) run.time.operationMs = SLOW_MS;
    await run.start();
    let behindMs = 0;
    for (let lives = run.between(1, 3); lives > 0; lives--) {
      await run.work(run.between(5, 40));
      const byMs = run.pick([20 * HOUR_MS, -HOUR_MS, 0]);
      behindMs = Math.max(0, behindMs - byMs);
      run.note(`the clock is set by ${byMs} ms`);
      run.time.setWallClock(byMs);
      await run.work(run.between(5, 40));
      await run.end(run.random() < 0.5 ? 'crash' : 'kill');
      await run.start();
    }
    run.time.operationMs = 0;
    // Or what waits would wait for an hour.
    run.time.setWallClock(behindMs);
    await endOf(run);
  });
}

const HOUR_MS = 3_600_000;
const SLOW_MS = 100;

/** Lets messages move, and the disk become full, and have space again. Null if all is well. */
export async function fillWhileMoving(seed: number): Promise<Failure | null> {
  const run = new MovingRun(seed, { diskFreeLimitBytes: FREE_LIMIT_BYTES });
  return told(run, seed, async () => {
    await run.start();
    for (let rounds = run.between(1, 3); rounds > 0; rounds--) {
      await run.work(run.between(5, 50));
      fill(run, run.random() < 0.5 ? 0 : run.between(0, 40 * KIB));
      await run.work(run.between(5, 50));
      // What expires and what comes due goes on meanwhile, as far as there is memory.
      await run.pass(run.pick([100, 1000, 10_000]));
      if (run.random() < 0.3) {
        await run.end('crash');
        await run.start();
        await run.work(run.between(5, 30));
      }
      run.fs.capacityBytes = Number.MAX_SAFE_INTEGER;
      run.note('there is space again');
      await goesOn(run);
    }
    await endOf(run);
  });
}

export function fill(run: MovingRun, freeBytes: number): void {
  run.fs.capacityBytes = run.fs.files().reduce((sum, { size }) => sum + size, freeBytes);
  run.note(`the disk has ${freeBytes} bytes left`);
}

export async function goesOn(run: MovingRun): Promise<void> {
  const isWell = (): boolean =>
    run.broker.shard.alarms.raised.size === 0 && run.broker.shard.store.journal.isIdle;
  if (!(await run.time.runUntil(isWell, PATIENCE_MS)))
    throw new HistoryError(
      `there is space, but publishers are blocked for ${[...run.broker.shard.alarms.raised]}`,
    );
  run.check();
}

/** All comes out, once; after a stop nothing comes back. */
async function endOf(run: MovingRun): Promise<void> {
  await run.drain();
  await run.close();
  await run.start();
  if (run.count > 0) throw new HistoryError(`all was taken, but there are ${run.count} messages again`);
}

export async function told(run: MovingRun, seed: number, what: () => Promise<void>): Promise<Failure | null> {
  try {
    await what();
    return null;
  } catch (error) {
    return { seed, error, history: run.tail() };
  }
}
