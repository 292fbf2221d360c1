import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { levelFor, opensAt, startOf, WIDTHS_MS } from '../../../src/broker/delays/levels.ts';

const DELAY_MS_MAX = 0xffffffff;
const now = fc.integer({ min: 1_600_000_000_000, max: 1_900_000_000_000 });
const delay = fc.oneof(
  fc.integer({ min: 0, max: DELAY_MS_MAX }),
  fc.integer({ min: 0, max: 200_000 }),
  fc.constantFrom(...WIDTHS_MS, ...WIDTHS_MS.map((width) => width * 64)).filter((ms) => ms <= DELAY_MS_MAX),
);

test('a message waits in the bucket of its time, which is not open yet unless it is of the narrowest', () => {
  fc.assert(
    fc.property(now, delay, (nowMs, delayMs) => {
      const dueMs = nowMs + delayMs;
      const level = levelFor(dueMs, nowMs);
      const startMs = startOf(level, dueMs);
      assert.ok(startMs <= dueMs && dueMs < startMs + WIDTHS_MS[level]);
      if (level > 0) assert.ok(opensAt(level, startMs) > nowMs);
    }),
  );
});

test('each time its bucket opens it moves to a narrower one', () => {
  fc.assert(
    fc.property(now, delay, (startedMs, delayMs) => {
      const dueMs = startedMs + delayMs;
      let nowMs = startedMs;
      for (let level = levelFor(dueMs, nowMs); level > 0; ) {
        nowMs = Math.max(nowMs, opensAt(level, startOf(level, dueMs)));
        const next = levelFor(dueMs, nowMs);
        assert.ok(next < level, `from ${level} to ${next}`);
        level = next;
      }
    }),
  );
});
