import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runStreamKills } from './stream-kills.ts';

test('a broker that is killed three times while producers fill its streams has all that it confirmed', async () => {
  const { confirmed, left } = await runStreamKills(3, 1);
  assert.ok(confirmed > 0 && left > 0);
});
