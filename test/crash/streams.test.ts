import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeFlip } from './bit-flips.ts';
import { describeFailure } from './power-cut.ts';
import { cutStreams, fillWithStreams, flipInStreams } from './streams.ts';

const SEEDS = Number(process.env.SLUICE_STREAM_SEEDS ?? 25);

test(`after ${SEEDS} schedules with power cuts every batch of every durable block is in its stream, as it was`, async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const failure = await cutStreams(seed);
    assert.equal(failure && describeFailure(failure), null);
  }
});

test(`after ${SEEDS} flipped bits no reader of a stream gets anything that was not written`, async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    assert.equal(describeFlip(await flipInStreams(seed)), null);
  }
});

test(`after ${SEEDS} schedules with full disks streams have what was safe, and go on`, async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const failure = await fillWithStreams(seed);
    assert.equal(failure && describeFailure(failure), null);
  }
});
