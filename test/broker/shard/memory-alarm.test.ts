import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { systemScheduler } from '../../../src/base/scheduler.ts';
import { MemoryAlarm } from '../../../src/broker/shard/memory-alarm.ts';
import { TestBroker } from '../test-broker.ts';

describe('the memory high-water mark', () => {
  it('blocks above it, and not before memory is below 95 % of it again frees', () => {
    let residentBytes = 0;
    const changes: boolean[] = [];
    const mark = new MemoryAlarm({
      limitBytes: 1000,
      residentBytes: () => residentBytes,
      scheduler: systemScheduler,
      onChange: (isOver) => changes.push(isOver),
    });
    for (const [bytes, expected] of [
      [1000, []],
      [1001, [true]],
      [2000, [true]],
      [960, [true]],
      [950, [true]],
      [949, [true, false]],
      [999, [true, false]],
    ] as const) {
      residentBytes = bytes;
      mark.sample();
      assert.deepEqual(changes, expected, String(bytes));
    }
    mark.stop();
  });

  it('is one of the reasons for which the broker blocks publishers', async () => {
    let tick: () => void = () => undefined;
    let residentBytes = 10;
    await using test = await TestBroker.start({
      memoryHighWaterBytes: 100,
      residentBytes: () => residentBytes,
      scheduler: {
        ...systemScheduler,
        every: (ms, run) => {
          if (ms === 1000) tick = run;
          return systemScheduler.every(ms, run);
        },
      },
    });
    let changes = 0;
    test.broker.shard.alarms.onChange(() => changes++);
    residentBytes = 101;
    tick();
    assert.deepEqual([...test.broker.shard.alarms.raised], ['memory']);
    residentBytes = 90;
    tick();
    assert.deepEqual([...test.broker.shard.alarms.raised], []);
    assert.equal(changes, 2);
  });
});
