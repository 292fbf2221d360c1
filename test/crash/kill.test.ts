import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { runKills } from './kill.ts';

describe('a broker that is killed at random moments under load', () => {
  it('loses nothing confirmed, brings back nothing acknowledged for good, and splits no transaction', async () => {
    const report = await runKills(5, 1);
    assert.ok(report.confirmed > 0 && report.commits > 0, JSON.stringify(report));
  });
});
