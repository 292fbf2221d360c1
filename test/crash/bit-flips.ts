import { CorruptionError } from '../../src/log/corruption.ts';
import { describeFailure, type Failure } from './power-cut.ts';
import { PowerCutRun } from './power-cut-run.ts';

/** `refused`: the start failed. `reported`: a queue said that it cannot be read. `harmless`: nobody misses anything. */
export type FlipOutcome = 'refused' | 'reported' | 'harmless';

/** Long enough for the journal to mark its end. */
const IDLE_MS = 2500;

/**
 * Lets a broker work and stop, flips one bit of one of its files, and starts again. Either the file is named, by the
 * start or by the queue that is affected, or everything is exactly as if nothing had happened.
 */
export async function flipOneBit(seed: number): Promise<FlipOutcome | Failure> {
  const run = new PowerCutRun(seed, { durability: { mode: 'sync' } });
  try {
    await run.startUntilItLives();
    await run.work(run.between(20, 150));
    if (run.random() < 0.5) {
      await run.kill();
      await run.start();
      await run.work(run.between(5, 60));
    }
    if (run.random() < 0.3) await run.closeCleanly();
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

export function describeFlip(outcome: FlipOutcome | Failure): string | null {
  return typeof outcome === 'string' ? null : describeFailure(outcome);
}

async function startWithFlippedBit(run: PowerCutRun): Promise<FlipOutcome> {
  const kind = run.pick(['/journal/', '/snapshot', '/logs/']);
  const files = run.fs.files().filter(({ size }) => size > 0);
  const ofKind = files.filter(({ path }) => path.includes(kind));
  const { path, size } = run.pick(ofKind.length > 0 ? ofKind : files);
  // Headers and the last bytes are few, and the most interesting.
  const place = run.random();
  const at = place < 0.3 ? run.between(0, Math.min(99, size - 1)) : run.between(0, size - 1);
  const byte = place > 0.9 ? size - 1 - Math.min(size - 1, run.between(0, 63)) : at;
  const bit = run.between(0, 7);
  run.note(`bit ${bit} of byte ${byte} of ${path} is flipped, of ${size} bytes`);
  run.fs.flipBit(path, byte, bit);
  run.damagedPath = path;
  try {
    await run.start();
  } catch (error) {
    if (error instanceof CorruptionError && error.path === path) return 'refused';
    throw error;
  }
  for (const queue of run.known.keys()) if (queue.corruption !== null) return 'reported';
  return 'harmless';
}
