import assert from 'node:assert/strict';
import { test } from 'node:test';
import { keyHash, partitionOfKey } from '../../../src/broker/streams/partitioner.ts';

/** From Apache Kafka's own test of its clients (UtilsTest.testMurmur2). */
const KNOWN: readonly (readonly [string, number])[] = [
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
];

test("a key has the hash that it has for Kafka's clients", () => {
  for (const [key, hash] of KNOWN) {
    const bytes = Buffer.from(`xx${key}x`, 'utf8');
    assert.equal(keyHash(bytes, 2, bytes.length - 1), hash, key);
  }
});

test('a partition is one of those that there are, also for a negative hash', () => {
  for (const [key] of KNOWN) {
    const bytes = Buffer.from(key, 'utf8');
    for (const count of [1, 2, 3, 10]) {
      const partition = partitionOfKey(bytes, 0, bytes.length, count);
      assert.ok(partition >= 0 && partition < count);
    }
  }
});
