import assert from 'node:assert/strict';
import { it } from 'node:test';
import { refusalDelayMs } from '../../../src/servers/sasl/refusal-delay.ts';

it('a refusal goes out at a multiple of the delay after the login began, whatever the check took', () => {
  for (const tookMs of [0, 1, 60, 199.5])
    assert.equal(tookMs + refusalDelayMs(1000, 1000 + tookMs, 200), 200);
  for (const tookMs of [200, 260, 399]) assert.equal(tookMs + refusalDelayMs(1000, 1000 + tookMs, 200), 400);
  assert.equal(refusalDelayMs(1000, 1060, 0), 0);
});
