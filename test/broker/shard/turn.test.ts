import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Turn } from '../../../src/broker/shard/turn.ts';
import { VirtualTime } from '../groups/virtual-time.ts';

class Recorder {
  readonly time = new VirtualTime();
  readonly steps: string[] = [];
  readonly turn = new Turn(this.time, this.time, () => this.steps.push('commit'));

  output(name: string, onFlush = (): void => undefined) {
    return {
      flushPending: false,
      flush: () => {
        this.steps.push(`flush ${name}`);
        onFlush();
      },
    };
  }

  queue(name: string, onPump = (): void => undefined) {
    return {
      pumpPending: false,
      pump: () => {
        this.steps.push(`pump ${name}`);
        onPump();
      },
    };
  }

  /** What the turns until now did. */
  run(): string[] {
    this.time.pass(0);
    return this.steps.splice(0);
  }
}

describe('a turn', () => {
  it('commits, then pumps queues, then flushes what they wrote, and is not followed by another', () => {
    const test = new Recorder();
    const output = test.output('o');
    test.turn.pumpLater(test.queue('q', () => test.turn.flushLater(output)));
    assert.deepEqual(test.run(), ['commit', 'pump q', 'flush o']);
    assert.deepEqual(test.run(), []);
  });

  it('is followed by another for what is asked for while outputs are flushed', () => {
    const test = new Recorder();
    const late = test.output('late');
    test.turn.flushLater(test.output('o', () => test.turn.flushLater(late)));
    assert.deepEqual(test.run(), ['commit', 'flush o', 'commit', 'flush late']);
  });

  it('is followed by another for a queue that has more', () => {
    const test = new Recorder();
    let isFirst = true;
    const queue = test.queue('q', () => {
      if (isFirst) test.turn.pumpLater(queue);
      isFirst = false;
    });
    test.turn.pumpLater(queue);
    assert.deepEqual(test.run(), ['commit', 'pump q', 'commit', 'pump q']);
  });

  it('lets the rest wait for the next turn when queues hand out for long, before those that have more', () => {
    const test = new Recorder();
    const queue = (name: string, moreTimes: number) => {
      let left = moreTimes;
      const made = test.queue(name, () => {
        test.time.nowMs += 1.5;
        if (left-- > 0) test.turn.pumpLater(made);
      });
      return made;
    };
    test.turn.pumpLater(queue('1', 1));
    for (const name of ['2', '3', '4']) test.turn.pumpLater(queue(name, 0));
    test.time.pass(1000);
    assert.deepEqual(test.steps, [
      ...['commit', 'pump 1', 'pump 2'],
      ...['commit', 'pump 3', 'pump 4'],
      ...['commit', 'pump 1'],
    ]);
  });
});
