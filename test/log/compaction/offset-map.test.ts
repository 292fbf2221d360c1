import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { hashKey } from '../../../src/log/compaction/key-hash.ts';
import { OffsetMap } from '../../../src/log/compaction/offset-map.ts';

test('a map has the last offset of each key, whatever the keys are, and nothing for others', () => {
  const anyKey = fc.oneof(
    fc.uint8Array({ maxLength: 40 }),
    fc.nat(200).map((n) => Buffer.from(`key-${n}`)),
  );
  fc.assert(
    fc.property(fc.array(anyKey, { maxLength: 3000 }), fc.nat(), fc.boolean(), (keys, seed, grows) => {
      const map = new OffsetMap(0, 0, seed);
      const expected = new Map<string, number>();
      for (const [offset, key] of keys.entries()) {
        if (map.room === 0) {
          if (!grows) break;
          map.grow(1);
        }
        const bytes = Buffer.from(key);
        map.put(bytes, 0, bytes.length, offset);
        expected.set(bytes.toString('hex'), offset);
      }
      assert.equal(map.count, expected.size);
      for (const [hex, offset] of expected) {
        const bytes = Buffer.from(hex, 'hex');
        assert.equal(map.get(Buffer.concat([Buffer.from([7]), bytes]), 1, bytes.length + 1), offset);
      }
      const other = Buffer.from('a key that is longer than all others, which have forty bytes');
      assert.equal(map.get(other, 0, other.length), -1);
    }),
    { numRuns: 60 },
  );
});

test('a map takes no more memory than it may, and as many keys as it says', () => {
  const map = new OffsetMap(1_000_000, 400_000, 1);
  const { room } = map;
  assert.ok(room > 7000 && room < 20_000, `${room}`);
  for (let i = 0; i < room; i++) {
    const key = Buffer.from(String(i));
    map.put(key, 0, key.length, i);
  }
  assert.equal(map.room, 0);
  for (let i = 0; i < room; i++) {
    const key = Buffer.from(String(i));
    assert.equal(map.get(key, 0, key.length), i);
  }
});

/** Of its 128 bits we have 96. */
test('hashes are those of MurmurHash3', () => {
  const words = new Uint32Array(3);
  const hashOf = (text: string, seed: number): string => {
    const bytes = Buffer.from(text);
    hashKey(bytes, 0, bytes.length, seed, words);
    return Array.from(words, (word) => word.toString(16).padStart(8, '0')).join('');
  };
  assert.equal(hashOf('', 0), '000000000000000000000000');
  assert.equal(hashOf('', 1), '88c4adec54d201b954d201b9');
  const text = 'I will not buy this record, it is scratched.';
  assert.equal(hashOf(text, 0), 'a0a9683b25ac5e40d9af2895');
});
