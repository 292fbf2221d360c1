import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { awaited, mapped, mappedBy, type Work } from '../../src/base/turn-time.ts';
import { Loop } from './loop.ts';

describe('the time that long works have in an iteration of the event loop', () => {
  it('gives what is small its result at once, without a promise', () => {
    const loop = new Loop();
    assert.equal(loop.time.run(loop.steps(10, 0.001, 'a', [])), 'a');
    assert.deepEqual(loop.time.run(mapped([1, 2, 3], (each) => each * 2)), [2, 4, 6]);
  });

  it('is over for a long work after some milliseconds, and it goes on in later iterations', async () => {
    const loop = new Loop();
    const log: string[] = [];
    const result = loop.time.run(loop.steps(200, 0.25, 'a', log));
    assert.ok(result instanceof Promise);
    const atOnce = log.length;
    assert.ok(atOnce * 0.25 <= 8, `${atOnce} steps at once`);
    let iterations = 0;
    for (let before = log.length; !loop.isIdle; before = log.length) {
      await loop.iteration();
      iterations++;
      assert.ok((log.length - before) * 0.25 <= 8, `${log.length - before} steps in one iteration`);
    }
    assert.ok(iterations >= 6, `${iterations} iterations`);
    assert.equal(await result, 'a');
  });

  it('is shared: a hundred works take no more of an iteration than one, and all get on', async () => {
    const loop = new Loop();
    const log: string[] = [];
    const names = Array.from({ length: 100 }, (_, index) => `w${index}`);
    const results = names.map((name) => loop.time.run(loop.steps(100, 0.1, name, log)));
    for (let iteration = 0; iteration < 60; iteration++) {
      const beganMs = loop.ms;
      await loop.iteration();
      assert.ok(loop.ms - beganMs <= 7, `${loop.ms - beganMs} ms`);
    }
    // In turn: after 60 iterations of 5 ms with quanta of a millisecond, everybody had some.
    const done = names.map((name) => log.filter((each) => each === name).length);
    assert.ok(Math.min(...done) > 16, `the least has ${Math.min(...done)} steps`);
    while (!loop.isIdle) await loop.iteration();
    assert.deepEqual(await Promise.all(results), names);
  });

  it('lets plain asynchronous code wait for its next turn', async () => {
    const loop = new Loop();
    let steps = 0;
    const code = async (): Promise<void> => {
      for (; steps < 100; steps++) {
        loop.ms += 0.5;
        if (loop.time.isOver) await loop.time.next();
      }
    };
    const done = code();
    assert.ok(steps < 30, `${steps} steps at once`);
    while (!loop.isIdle) await loop.iteration();
    await done;
    assert.equal(steps, 100);
  });

  it('hands errors on, of the work itself and of what it waits for', async () => {
    const { time } = new Loop();
    const fails = function* (): Work<void> {
      yield;
      throw new Error('at once');
    };
    assert.throws(() => time.run(fails()), /at once/);
    const waits = function* (): Work<string> {
      try {
        return yield* awaited(Promise.reject<string>(new Error('later')));
      } catch (error) {
        return `caught ${(error as Error).message}`;
      }
    };
    assert.equal(await time.run(waits()), 'caught later');
    const gives = function* (): Work<number> {
      return (yield* awaited(Promise.resolve(41))) + 1;
    };
    assert.equal(await time.run(gives()), 42);
    assert.equal(time.run(mappedBy([], gives)) instanceof Promise, false);
  });
});
