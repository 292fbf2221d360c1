import assert from 'node:assert/strict';
import test from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { seededRandom } from '../../support/seeded-random.ts';
import { SimulatedFileSystem } from '../../support/simulated-filesystem/simulated-filesystem.ts';
import { CompactionModel } from './compaction-model.ts';

const SEEDS = Number(process.env.SLUICE_COMPACTION_SEEDS ?? 50);
const FIRST_SEED = Number(process.env.SLUICE_COMPACTION_SEED ?? 1);

const nothing = async (): Promise<void> => {};

async function step(model: CompactionModel, random: () => number): Promise<void> {
  const choice = random();
  if (choice < 0.5) await model.append();
  else if (choice < 0.6) await model.endTransaction();
  else if (choice < 0.66) await model.roll();
  else if (choice < 0.78) await model.compact(nothing);
  else if (choice < 0.86) await model.snapshot(nothing);
  else if (choice < 0.9) await Promise.all([model.compact(nextTurn), model.snapshot(nextTurn)]);
  else if (choice < 0.94) await Promise.all([model.compact(nextTurn), model.append()]);
  else model.nowMs += Math.floor(random() * 1500);
}

async function cutPower(
  model: CompactionModel,
  fs: SimulatedFileSystem,
  random: () => number,
): Promise<void> {
  const started = [model.compact(nextTurn), random() < 0.5 ? model.snapshot(nextTurn) : step(model, random)];
  const outcome = Promise.allSettled(started);
  for (let turns = Math.floor(random() * 60); turns > 0; turns--) await nextTurn();
  const found = fs.crash(random);
  await outcome;
  model.restart(found);
}

async function fillDisk(model: CompactionModel, fs: SimulatedFileSystem): Promise<void> {
  fs.failNext('write', 'ENOSPC', (path) => path.endsWith('.cleaned'));
  await model.compact(nothing);
}

async function simulate(seed: number): Promise<number> {
  const random = seededRandom(seed);
  const fs = new SimulatedFileSystem({ anySubsetOfCreations: random() < 0.5 });
  await fs.makeDirectory('/data');
  await fs.syncDirectory('/');
  const model = new CompactionModel(fs, random);
  for (let count = 60 + Math.floor(random() * 90); count > 0; count--) {
    const choice = random();
    if (choice < 0.03) await cutPower(model, model.fs as SimulatedFileSystem, random);
    else if (choice < 0.05) await fillDisk(model, model.fs as SimulatedFileSystem);
    else await step(model, random);
    if (random() < 0.2) await model.check();
  }
  await model.check();
  await model.checkFiles();
  model.restart((model.fs as SimulatedFileSystem).crash(random));
  await model.check();
  return model.compactions;
}

test(`${SEEDS} random lives of a compacted log, with power cuts and full disks, keep the last value of each key`, async () => {
  let compactions = 0;
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
    try {
      compactions += await simulate(seed);
    } catch (error) {
      throw new Error(`seed ${seed} (SLUICE_COMPACTION_SEED=${seed} SLUICE_COMPACTION_SEEDS=1 repeats it)`, {
        cause: error,
      });
    }
  }
  assert.ok(compactions > SEEDS, `${compactions} compactions`);
});
