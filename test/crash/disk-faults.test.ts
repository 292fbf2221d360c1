import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { allFaults, type FaultOutcome, runFault } from './disk-faults.ts';

/** A prime, so that all operations and errors have their turn. */
const EVERY = 23;

describe('a call of the file system that fails', () => {
  it('leads to what is documented, loses nothing confirmed, and deletes nothing', async () => {
    const outcomes = new Set<FaultOutcome>();
    const faults = await allFaults();
    for (let i = 0; i < faults.length; i += EVERY) outcomes.add(await runFault(faults[i]!));
    assert.ok(faults.length > 1000);
    assert.ok(
      outcomes.has('goes on') && outcomes.has('ends the process') && outcomes.has('refuses the start'),
    );
  });

  it('is tried again where the disk was too full to end a journal file', async () => {
    const truncates = (await allFaults()).filter(
      ({ operation, code }) => operation === 'truncate' && code === 'ENOSPC',
    );
    for (const fault of truncates) assert.equal(await runFault(fault), 'goes on');
  });
});
