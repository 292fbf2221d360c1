import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { assertClassesExist } from './counted-classes.ts';
import { COUNTED, fuzz } from './fuzz.ts';
import { makeStream } from './streams.ts';

describe('the broker, whatever it is sent by many at once,', () => {
  it('is searched for objects of classes that it has', () => assertClassesExist(COUNTED));

  it('goes on to serve others, holds on to nothing, and fails at nothing that it did not foresee', async (t) => {
    const { findings, streams, canary } = await fuzz({
      streams: 600,
      seed: 2026,
      workers: 24,
      checkpoints: 2,
    });
    t.diagnostic(`${streams} streams; the canary waited ${canary.maxMs.toFixed(0)} ms at most`);
    assert.deepEqual(findings, []);
    assert.ok(canary.messages > 0);
  });

  it('can be sent the same again: a stream depends on its seed and index alone', () => {
    for (let index = 0; index < 200; index++) {
      assert.deepEqual(makeStream(7, index, 1), makeStream(7, index, 1));
    }
    assert.notDeepEqual(makeStream(7, 1, 1), makeStream(8, 1, 1));
  });
});
