import { CorruptionError } from '../../src/log/corruption.ts';
import type { FlipOutcome } from './bit-flips.ts';
import { HistoryError } from './expected-queue.ts';
import type { Failure } from './power-cut.ts';
import { StreamRun } from './stream-run.ts';

const KIB = 1024;
/** Producers are asked to stop while less than this is free. */
const FREE_LIMIT_BYTES = 8 * KIB;
const PATIENCE_MS = 60_000;
/** Long enough for the journal to mark its end. */
const IDLE_MS = 2500;

/** Power cuts and kills while streams are written, compacted and cut off. Null if all is well. */
export async function cutStreams(seed: number): Promise<Failure | null> {
  const run = new StreamRun(seed);
  try {
    await run.run();
    return null;
  } catch (error) {
    return { seed, error, history: run.tail() };
  }
}

/**
 * Flips one bit of one file of a stopped broker with streams, and starts it again: the start or a read names the file,
 * or every batch that is read is as it was.
 */
export async function flipInStreams(seed: number): Promise<FlipOutcome | Failure> {
  const run = new StreamRun(seed, { durability: { mode: 'sync' } });
  try {
    await run.start();
    await run.work(run.between(20, 150));
    if (run.random() < 0.5) await run.close();
    else {
      const end = run.time.nowMs + IDLE_MS;
      await run.time.runUntil(() => run.time.nowMs > end, 2 * IDLE_MS);
      await run.cutPower();
    }
    return await startWithFlippedBit(run);
  } catch (error) {
    return { seed, error, history: run.tail() };
  }
}

async function startWithFlippedBit(run: StreamRun): Promise<FlipOutcome> {
  const kind = run.pick(['/journal/', '/snapshot', '/logs/', '/logs/']);
  const files = run.fs.files().filter(({ size }) => size > 0);
  const ofKind = files.filter(({ path }) => path.includes(kind));
  const { path, size } = run.pick(ofKind.length > 0 ? ofKind : files);
  const at = run.between(0, size - 1);
  const bit = run.between(0, 7);
  run.note(`bit ${bit} of byte ${at} of ${path} is flipped, of ${size} bytes`);
  run.fs.flipBit(path, at, bit);
  run.damagedPath = path;
  try {
    await run.start();
  } catch (error) {
    if (error instanceof CorruptionError && error.path === path) return 'refused';
    throw error;
  }
  return run.wasReported ? 'reported' : 'harmless';
}

/**
 * Lets the disk become full while streams are written and compacted, and have space again later, with power cuts in
 * between. Null if all that was safe is there, and everything goes on by itself.
 */
export async function fillWithStreams(seed: number): Promise<Failure | null> {
  const run = new StreamRun(seed, { durability: { mode: 'sync' }, diskFreeLimitBytes: FREE_LIMIT_BYTES });
  try {
    await run.start();
    for (let round = run.between(1, 4); round > 0; round--) {
      await run.work(run.between(5, 80));
      const used = run.fs.files().reduce((sum, { size }) => sum + size, 0);
      run.fs.capacityBytes = used + (run.random() < 0.5 ? 0 : run.between(0, 40 * KIB));
      run.note(`the disk has ${run.fs.capacityBytes - used} bytes left`);
      await run.work(run.between(5, 60));
      if (run.random() < 0.4) {
        await run.cutPower();
        await run.start();
        await run.work(run.between(5, 40));
      }
      run.fs.capacityBytes = Number.MAX_SAFE_INTEGER;
      run.note('there is space again');
      const { broker } = run;
      const isWell = (): boolean =>
        broker.shard.alarms.raised.size === 0 && broker.shard.store.journal.isIdle;
      if (!(await run.time.runUntil(isWell, PATIENCE_MS))) throw new HistoryError('it does not go on');
    }
    await run.close();
    await run.start();
    return null;
  } catch (error) {
    return { seed, error, history: run.tail() };
  }
}
