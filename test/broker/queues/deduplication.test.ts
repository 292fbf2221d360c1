import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { Deduplicator } from '../../../src/broker/queues/deduplication.ts';
import type { PriorityLevel } from '../../../src/broker/queues/priority-level.ts';
import { assertLinear } from '../../support/growth.ts';

const level = { priority: 0 } as PriorityLevel;

function deduplicator(entriesMax: number): Deduplicator {
  return new Deduplicator({ entriesMax, windowMs: null, refuses: false });
}

describe('the names that a queue knows messages by', () => {
  it('are those of the messages that are there, and the youngest of them where there are too many', () => {
    const operation = fc.record({
      op: fc.constantFrom('took', 'left', 'purged'),
      number: fc.nat({ max: 7 }),
    });
    fc.assert(
      fc.property(
        fc.array(operation, { maxLength: 80 }),
        fc.integer({ min: 1, max: 5 }),
        (operations, max) => {
          const names = deduplicator(max);
          /** In the order in which they came. */
          let model: { name: string; offset: number }[] = [];
          for (const [offset, { op, number }] of operations.entries()) {
            if (op === 'took') {
              const name = `n${number}`;
              names.took(name, { level, offset, isKept: true });
              model = [...model.filter((each) => each.name !== name), { name, offset }].slice(-max);
            } else if (op === 'left') {
              names.left(level, offset - number);
              model = model.filter((each) => each.offset !== offset - number);
            } else {
              names.leftBetween(level, offset - number, offset);
              model = model.filter((each) => each.offset < offset - number || each.offset >= offset);
            }
            assert.equal(names.size, model.length);
            assert.deepEqual(
              names.presentKept(),
              model.map(({ name, offset }) => [0, offset, name]),
            );
            for (let i = 0; i < 8; i++) {
              const isKnown = model.some(({ name }) => name === `n${i}`);
              assert.equal(names.has(`n${i}`, 0), isKnown);
            }
          }
        },
      ),
    );
  });

  it('are known for as long as they are to be, and the youngest of them where there are too many', () => {
    const operation = fc.record({ number: fc.nat({ max: 7 }), ms: fc.nat({ max: 3 }) });
    fc.assert(
      fc.property(
        fc.array(operation, { maxLength: 80 }),
        fc.integer({ min: 1, max: 5 }),
        (operations, max) => {
          const names = deduplicator(max);
          let model: { name: string; untilMs: number }[] = [];
          let nowMs = 0;
          for (const { number, ms } of operations) {
            nowMs += ms;
            const name = `n${number}`;
            names.rememberUntil(name, nowMs, nowMs + 10, true);
            model = [...model.filter((each) => each.name !== name), { name, untilMs: nowMs + 10 }];
            model = model.filter(({ untilMs }) => untilMs > nowMs).slice(-max);
            assert.equal(names.size, model.length);
            assert.deepEqual(
              names.recentKept(nowMs),
              model.map((each) => [each.name, each.untilMs]),
            );
            for (let i = 0; i < 8; i++) {
              const known = model.find((each) => each.name === `n${i}`);
              assert.equal(names.has(`n${i}`, nowMs), known !== undefined);
              assert.ok(!names.has(`n${i}`, nowMs + 10) || (known?.untilMs ?? 0) > nowMs + 10);
            }
          }
        },
      ),
    );
  });

  it('cost as much to forget where there are very many', async () => {
    await assertLinear(20_000, (count) => {
      const names = deduplicator(count);
      for (let offset = 0; offset < 2 * count; offset++) {
        names.took(`n${offset}`, { level, offset, isKept: false });
      }
    });
  });
});
