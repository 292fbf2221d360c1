import { Inspector } from '../../src/cli/doctor/inspection.ts';
import { repairAll } from '../../src/cli/doctor/repair.ts';
import { CorruptionError } from '../../src/log/corruption.ts';
import type { FlipOutcome } from './bit-flips.ts';
import { HistoryError } from './expected-queue.ts';
import { told } from './moving.ts';
import { MovingRun } from './moving-run.ts';
import type { Failure } from './power-cut.ts';

/** Long enough for the journal to mark its end. */
const IDLE_MS = 2500;

/**
 * Lets messages move, and flips one bit of one file: of lanes and buckets of delayed messages above all. The start names
 * the file, or whoever needs what is in it; or everything is as if nothing had happened. What is named is healed: by a
 * purge, by a deletion, or by the doctor.
 */
export async function flipWhileMoving(seed: number): Promise<FlipOutcome | Failure> {
  const run = new MovingRun(seed);
  let outcome: FlipOutcome = 'harmless';
  const failure = await told(run, seed, async () => {
    await run.start();
    await run.work(run.between(30, 100));
    if (run.random() < 0.5) {
      await run.end('kill');
      await run.start();
      await run.work(run.between(5, 50));
    }
    if (run.random() < 0.3) await run.close();
    else {
      await run.pass(IDLE_MS);
      await run.end('crash');
    }
    outcome = await startWithFlippedBit(run);
  });
  return failure ?? outcome;
}

async function startWithFlippedBit(run: MovingRun): Promise<FlipOutcome> {
  const files = run.fs.files().filter(({ size }) => size > 0);
  const segments = files.filter(({ path }) => path.includes('/logs/'));
  const { path, size } = run.pick(segments.length > 0 && run.random() < 0.8 ? segments : files);
  const at = run.random() < 0.2 ? run.between(0, Math.min(99, size - 1)) : run.between(0, size - 1);
  run.note(`a bit of byte ${at} of ${path} is flipped, of ${size} bytes`);
  run.fs.flipBit(path, at, run.between(0, 7));
  run.damagedPath = path;
  try {
    await run.start();
  } catch (error) {
    if (error instanceof CorruptionError && error.path === path) return 'refused';
    throw error;
  }
  const doctorComes = run.random() < 0.5;
  await run.work(run.between(0, 60));
  if (!doctorComes) await run.drain();
  if (doctorComes) await healByDoctor(run);
  if (run.damaged.length === 0) return 'harmless';
  if (!doctorComes) await healHere(run);
  return 'reported';
}

/** A damaged queue is a queue like any other once it is empty; the others never were affected. */
async function healHere(run: MovingRun): Promise<void> {
  const { vhost } = run;
  for (const queue of [...vhost.queues()]) {
    if (queue.corruption === null) continue;
    if (run.random() < 0.5) {
      run.note(`purge ${queue.name}`);
      queue.purge();
    } else {
      run.note(`delete ${queue.name}`);
      vhost.deleteQueue(queue.name, { ifUnused: false, ifEmpty: false }, null);
      run.declare(queue.name);
    }
    await run.pass(100);
    if (queue.corruption !== null && !queue.isRemoved)
      throw new HistoryError(`${queue.name} is not healed by a purge`);
  }
  await checkWell(run);
}

/** What was in the damaged queues is not asked for any more, nor what waits in a damaged interval of time. */
async function checkWell(run: MovingRun): Promise<void> {
  run.damaged.length = 0;
  for (const fate of run.fates.values()) fate.ack = 'doubtful';
  run.publishToAll();
  await run.drain();
  if (run.damaged.length > 0) throw new HistoryError(`${run.damaged} is still damaged`);
}

/** He finds what the broker would find, and more; what he cuts off is all that is lost. */
async function healByDoctor(run: MovingRun): Promise<void> {
  await run.close();
  const inspection = await run.until(new Inspector(run.fs, '/data').inspect(), 'the inspection');
  let most = 0;
  for (const { path, affected, corruption } of inspection.findings) {
    if (path !== run.damagedPath) throw new HistoryError(`${path} is found to be damaged, and is not`);
    if (corruption.file !== 'segment' || affected.includes('messages of log'))
      throw new HistoryError(affected);
    run.note(`the doctor: ${affected}`);
    const { fromOffset, toOffset } = corruption.segment;
    most += toOffset < 0 ? Number.POSITIVE_INFINITY : toOffset - fromOffset;
  }
  if (inspection.findings.length > 0) {
    await run.until(repairAll(run.fs, '/data', inspection), 'the cut');
    run.lostMax = most;
  }
  run.damaged.length = 0;
  await run.start();
  await run.drain();
  if (run.damaged.length > 0) throw new HistoryError(`${run.damaged} is still damaged`);
  if (inspection.findings.length > 0) run.damaged.push(run.damagedPath as string);
}
