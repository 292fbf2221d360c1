import assert from 'node:assert/strict';
import { it } from 'node:test';
import { targetsOf } from '../../../src/broker/publishing/route-targets.ts';
import type { Queue } from '../../../src/broker/queues/queue.ts';
import type { Route } from '../../../src/broker/topology/route.ts';

/** A queue with a level for each even priority, as one whose user may have no more of them. */
function queueWithFewLevels(): Queue {
  const levels = new Map<number, object>();
  return {
    isGuarded: false,
    settings: { maxPriority: 255 },
    levelFor(priority: number) {
      const even = priority - (priority % 2);
      const level = levels.get(even) ?? { priority: even, log: { durable: true } };
      levels.set(even, level);
      return level;
    },
  } as unknown as Queue;
}

it('messages of different priorities that go to the same levels have the same targets, which are kept once', () => {
  const queues = [queueWithFewLevels(), queueWithFewLevels()];
  const route = { delayMs: 0, queues, streams: [] } as unknown as Route<Queue>;
  const targets = Array.from({ length: 256 }, (_, priority) => targetsOf(route, priority));
  assert.equal(new Set(targets).size, 128);
  for (const [priority, { levels }] of targets.entries()) {
    assert.deepEqual(
      levels.map((level) => level.priority),
      [priority - (priority % 2), priority - (priority % 2)],
    );
    assert.equal(targetsOf(route, priority), targets[priority]);
  }
});
