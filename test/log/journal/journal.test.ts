import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { JournalRun } from './journal-run.ts';

const SEEDS = Number(process.env.SLUICE_RUNS ?? 300);
/**
 * Seeds that found what the first ones do not: two zeros written ahead from the same place, descriptors that are shared (the error of
 * one write told to another), a sync that failed and was forgotten.
 */
const FOUND_SOMETHING = [309, 450, 466, 568, 728, 248, 417];
/** Of what costs more time. */
const FEWER_SEEDS = SEEDS / 6;

function first(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index + 1);
}

async function each(seeds: readonly number[], run: (seed: number) => Promise<void>): Promise<void> {
  for (const seed of seeds) {
    await run(seed).catch((error) => {
      throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
    });
  }
}

describe('the journal with several batches in flight', () => {
  it('has all that was confirmed, and a prefix of what was appended, after any end', async () => {
    let inFlight = 0;
    let holes = 0;
    await each([...first(SEEDS), ...FOUND_SOMETHING], async (seed) => {
      const run = new JournalRun(seed);
      await run.run();
      inFlight = Math.max(inFlight, run.inFlightSeen);
      holes += run.holesSeen;
    });
    assert.ok(inFlight > 1, 'never more than one batch was in flight');
    assert.ok(holes > 0, 'no block ever reached the disk before one that was written earlier');
  });

  it('ends in a prefix of what was appended where nothing is synced', async () => {
    await each(first(FEWER_SEEDS), (seed) => new JournalRun(seed, { mode: 'os' }).run());
    await each(first(FEWER_SEEDS), (seed) =>
      new JournalRun(seed, { mode: 'interval', intervalMs: 20 }).run(),
    );
  });

  it('is refused, or whole, where a bit of it is wrong', async () => {
    let refused = 0;
    await each(first(FEWER_SEEDS), async (seed) => {
      if (await new JournalRun(seed).runAndFlip()) refused++;
    });
    assert.ok(refused > FEWER_SEEDS / 10, `${refused} of ${FEWER_SEEDS} were refused`);
  });
});
