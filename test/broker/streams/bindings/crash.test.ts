import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FeedRun } from './feed-run.ts';

const SEEDS = Number(process.env.SLUICE_VIEW_SEEDS ?? 12);
const FIRST_SEED = Number(process.env.SLUICE_VIEW_FIRST_SEED ?? 1);

test(`after ${SEEDS} schedules with kills and power cuts, queues have what is in their stream, once and in order`, async () => {
  for (let seed = FIRST_SEED; seed < FIRST_SEED + SEEDS; seed++) {
    const run = new FeedRun(seed);
    await run.start();
    for (let life = 0; life < 4; life++) {
      await run.work(25);
      const share = run.random();
      await run.end(share < 0.4 ? 'crash' : share < 0.8 ? 'kill' : 'close');
      await run.start();
    }
    assert.equal(await run.findFault(), null, `seed ${seed}`);
    await run.end('close');
  }
});
