import assert from 'node:assert/strict';
import test from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { seededRandom } from '../../support/seeded-random.ts';
import { SimulatedFileSystem } from '../../support/simulated-filesystem/simulated-filesystem.ts';
import { LogModel } from './log-model.ts';

const SEEDS = Number(process.env.SLUICE_SEGMENT_SEEDS ?? 100);
const FIRST_SEED = Number(process.env.SLUICE_SEGMENT_SEED ?? 1);

const nothing = async (): Promise<void> => {};

async function step(model: LogModel, fs: SimulatedFileSystem, random: () => number): Promise<void> {
  const choice = random();
  if (choice < 0.4) await model.append();
  else if (choice < 0.6) model.acknowledge();
  else if (choice < 0.65) model.dropBelow();
  else if (choice < 0.75) await model.reclaim();
  else if (choice < 0.82) await model.check();
  else if (choice < 0.9) await model.snapshot(random() < 0.5 ? nothing : () => step(model, fs, random));
  else if (choice < 0.93) await model.directory.syncAll();
  else if (choice < 0.95) await Promise.all([model.check(), model.reclaim()]);
  else if (choice < 0.97) await Promise.all([model.check(), model.append().then(() => model.check())]);
  else {
    fs.failNext('write', 'ENOSPC');
    await assert.rejects(model.append(), { code: 'ENOSPC' });
  }
}

/** Begins some work, lets it get a little way, and cuts the power. */
async function cutPowerDuring(model: LogModel, fs: SimulatedFileSystem, random: () => number): Promise<void> {
  const started = [step(model, fs, random), model.log.sync()];
  if (random() < 0.5) started.push(model.snapshot(nothing));
  const outcome = Promise.allSettled(started);
  for (let turns = Math.floor(random() * 40); turns > 0; turns--) await nextTurn();
  const found = fs.crash(random);
  await outcome;
  model.restart(found);
}

async function simulate(seed: number): Promise<void> {
  const random = seededRandom(seed);
  let fs = new SimulatedFileSystem({ anySubsetOfCreations: random() < 0.5 });
  await fs.makeDirectory('/data');
  await fs.syncDirectory('/');
  const model = new LogModel(fs, random);
  for (let count = 40 + Math.floor(random() * 60); count > 0; count--) {
    if (random() < 0.04) {
      await cutPowerDuring(model, fs, random);
      fs = model.fs as SimulatedFileSystem;
      await model.check();
    } else {
      await step(model, fs, random);
    }
  }
  await model.check();
  await model.snapshot(nothing);
  model.restart(fs.crash(random));
  await model.check();
}

test(`${SEEDS} random lives of a log, with power cuts and full disks, keep all that is not acknowledged`, async () => {
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
    try {
      await simulate(seed);
    } catch (error) {
      throw new Error(`seed ${seed} (SLUICE_SEGMENT_SEED=${seed} SLUICE_SEGMENT_SEEDS=1 repeats it)`, {
        cause: error,
      });
    }
  }
});
