import assert from 'node:assert/strict';
import { it } from 'node:test';
import { DeadLetterOutbox } from '../../../src/broker/queues/dead-letter-outbox.ts';
import { Ledger } from '../../../src/broker/queues/message-ledger.ts';
import type { PriorityLevel } from '../../../src/broker/queues/priority-level.ts';

/** All of its messages are in memory. */
const level = { log: { positionOf: () => 0 } } as unknown as PriorityLevel;

it('dead letters leave in order and a few milliseconds at a time, whatever one of them costs and however many wait', () => {
  for (const msEach of [0.001, 0.1, 3]) {
    let nowMs = 0;
    const sent: number[] = [];
    const clock = { monotonicMs: () => nowMs };
    const outbox = new DeadLetterOutbox(
      {
        clock,
        deadLetter(batch) {
          nowMs += batch.length * msEach;
          for (const { offset } of batch) sent.push(offset);
          return batch.length;
        },
      },
      new Ledger(),
      () => undefined,
    );
    outbox.configure(true);
    const count = 10_000;
    for (let offset = 0; offset < count; offset++) outbox.add(level, offset, 'rejected');
    const stretches: number[] = [];
    for (let isLeft = true; isLeft; ) {
      const beganMs = nowMs;
      isLeft = outbox.send();
      stretches.push(nowMs - beganMs);
    }
    assert.deepEqual(
      sent,
      Array.from({ length: count }, (_, offset) => offset),
    );
    // The first ones tell how long it takes.
    assert.ok(
      Math.max(...stretches.slice(5)) <= 4 + Math.max(2, msEach) + 2,
      `${Math.max(...stretches.slice(5))} ms`,
    );
  }
});
