import { HistoryError } from './expected-queue.ts';
import type { Failure } from './power-cut.ts';
import { PowerCutRun } from './power-cut-run.ts';

const KIB = 1024;
/** Publishers are asked to stop while less than this is free. */
const FREE_LIMIT_BYTES = 8 * KIB;
const PATIENCE_MS = 60_000;

/**
 * Lets the disk become full at random instants, and have space again later, with power cuts in between. Nothing
 * confirmed is lost, publishers are told, and everything goes on by itself. Null if all is well.
 */
export async function fillDisk(seed: number): Promise<Failure | null> {
  const run = new PowerCutRun(seed, { durability: { mode: 'sync' }, diskFreeLimitBytes: FREE_LIMIT_BYTES });
  try {
    await run.start();
    for (let round = run.between(1, 4); round > 0; round--) {
      await run.work(run.between(5, 80));
      leave(run, run.random() < 0.5 ? 0 : run.between(0, 40 * KIB));
      await run.work(run.between(5, 80));
      await whileFull(run);
      run.fs.capacityBytes = Number.MAX_SAFE_INTEGER;
      run.note('there is space again');
      await goesOn(run);
    }
    await run.drain();
    await run.closeCleanly();
    await run.start();
    return null;
  } catch (error) {
    return { seed, error, history: run.tail() };
  }
}

function leave(run: PowerCutRun, freeBytes: number): void {
  run.fs.capacityBytes = usedBytes(run) + freeBytes;
  run.note(`the disk has ${freeBytes} bytes left`);
}

function usedBytes(run: PowerCutRun): number {
  return run.fs.files().reduce((sum, { size }) => sum + size, 0);
}

/** Time goes by, or the power is cut: then the broker has to start on a full disk. */
async function whileFull(run: PowerCutRun): Promise<void> {
  if (run.random() < 0.4) {
    await run.cutPower();
    await run.start();
    await run.work(run.between(5, 40));
    return;
  }
  leave(run, 0);
  const isTold = (): boolean => {
    // What the broker frees, others take.
    run.fs.capacityBytes = usedBytes(run);
    return run.broker.shard.alarms.raised.has('disk');
  };
  if (!(await run.time.runUntil(isTold, PATIENCE_MS))) {
    throw new HistoryError('publishers are not told that the disk is full');
  }
  run.check();
}

async function goesOn(run: PowerCutRun): Promise<void> {
  const { broker } = run;
  const isWell = (): boolean => broker.shard.alarms.raised.size === 0 && broker.shard.store.journal.isIdle;
  if (!(await run.time.runUntil(isWell, PATIENCE_MS))) {
    throw new HistoryError(
      `there is space, but publishers are blocked for ${[...broker.shard.alarms.raised]}`,
    );
  }
  run.check();
}
