import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { systemScheduler } from '../../../src/base/scheduler.ts';
import { Journal } from '../../../src/log/journal/journal.ts';
import { ChunkStore } from '../../../src/log/memory/chunks.ts';
import { JournalRun } from './journal-run.ts';

const CHUNK_BYTES = 64 * 1024;

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

/** A journal whose device ends a write when it is told to, on a clock that is set. */
class PacedJournal {
  nowMs = 0;
  readonly #writes: (() => void)[] = [];
  readonly #journal: Journal;

  constructor(besideBytes: number) {
    this.#journal = new Journal(
      new ChunkStore(CHUNK_BYTES, CHUNK_BYTES),
      { current: 1, isAdvancePending: false },
      {
        inFlightMax: 2,
        append: () => new Promise((resolve) => this.#writes.push(resolve)),
        syncedBlock: 0,
      },
      {
        epoch: 1,
        firstBlock: 1,
        retryMs: 100,
        besideBytes,
        clock: { monotonicMs: () => this.nowMs },
        scheduler: systemScheduler,
      },
      {
        beforeCommit: () => undefined,
        isAwaited: () => true,
        onDurable: () => undefined,
        onFailure: () => undefined,
        onFull: () => undefined,
      },
    );
  }

  get inFlight(): number {
    return this.#journal.inFlight;
  }

  append(bytes: number): void {
    this.#journal.reserve(bytes);
    this.#journal.commit();
  }

  /** The oldest write ends, so long after it began if it was alone. */
  async end(tookMs: number): Promise<void> {
    this.nowMs += tookMs;
    this.#writes.shift()?.();
    await new Promise(setImmediate);
  }

  stop(): void {
    this.#journal.stop();
  }
}

describe('a second commit', () => {
  it('waits for the first where the device is quick, unless there is much to write', async () => {
    const journal = new PacedJournal(4096);
    journal.append(64);
    await journal.end(0.2);
    journal.append(64);
    journal.append(64);
    assert.equal(journal.inFlight, 1);
    journal.append(4096);
    assert.equal(journal.inFlight, 2);
    journal.stop();
  });

  it('goes beside the first where the device is slow, however little it is', async () => {
    const journal = new PacedJournal(4096);
    for (let write = 0; write < 8; write++) {
      journal.append(64);
      await journal.end(5);
    }
    journal.append(64);
    journal.append(64);
    assert.equal(journal.inFlight, 2);
    journal.append(64);
    assert.equal(journal.inFlight, 2, 'more than the device takes');
    journal.stop();
  });
});
