import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { assertClassesExist } from '../counted-classes.ts';
import { COUNTED, fuzzKafka } from './fuzz.ts';
import { makeKafkaStream } from './streams.ts';

describe('the broker, whatever many send it over the Kafka protocol at once,', () => {
  it('is searched for objects of classes that it has', () => assertClassesExist(COUNTED));

  it('goes on to serve others, holds on to nothing, and fails at nothing that it did not foresee', async (t) => {
    const report = await fuzzKafka({ streams: 600, seed: 2026, workers: 16, checkpoints: 2 });
    t.diagnostic(`${report.streams} streams; the canary waited ${report.canary.maxMs.toFixed(0)} ms at most`);
    assert.deepEqual(report.findings, []);
    assert.ok(report.canary.messages > 0);
  });

  it('can be sent the same again: a stream depends on its seed and index alone', () => {
    for (let index = 0; index < 200; index++) {
      assert.deepEqual(makeKafkaStream(7, index), makeKafkaStream(7, index));
    }
    assert.notDeepEqual(makeKafkaStream(7, 1), makeKafkaStream(8, 1));
  });
});
