import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { readShortString, truncateShortString } from '../../../src/wire/amqp091/short-strings.ts';

test('a remembered string is never taken for another, however many there are', () => {
  // Few letters and many strings: slots are fought over and hashes collide.
  const key = fc.string({ unit: fc.constantFrom('a', 'b', '.', 'é'), maxLength: 70 });
  fc.assert(
    fc.property(fc.array(key, { maxLength: 50 }), (keys) => {
      for (const text of [...keys, ...keys]) {
        const bytes = Buffer.from(`xx${text}yy`);
        assert.equal(readShortString(bytes, 2, bytes.length - 2, 'key'), text);
      }
    }),
    { numRuns: 300 },
  );
  for (let i = 0; i < 5000; i++) {
    const text = `orders.${i % 1500}.created`;
    assert.equal(readShortString(Buffer.from(text), 0, text.length, 'key'), text);
  }
});

test('a remembered string does not change when the bytes it came from do', () => {
  const bytes = Buffer.from('first.key');
  assert.equal(readShortString(bytes, 0, 9, 'key'), 'first.key');
  bytes.write('other');
  assert.equal(readShortString(bytes, 0, 9, 'key'), 'other.key');
  assert.equal(readShortString(Buffer.from('first.key'), 0, 9, 'key'), 'first.key');
});

test('bytes that are not UTF-8 are refused every time, also where a good string was remembered (AMQP 4.2.5.3)', () => {
  for (let i = 0; i < 0x80 * 0x80; i++) readShortString(Buffer.from([i >> 7, i & 0x7f]), 0, 2, 'key');
  for (let low = 0; low < 0x100; low++) {
    const bytes = Buffer.from([0xff, low]);
    for (let times = 0; times < 2; times++) {
      assert.throws(() => readShortString(bytes, 0, 2, 'key'), /key: the string of 2 bytes is not UTF-8/);
    }
  }
});

test('a text for people is cut to a short string between characters', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 400 }), (text) => {
      const cut = truncateShortString(text);
      assert.ok(Buffer.byteLength(cut) <= 255);
      if (Buffer.byteLength(text) <= 255) assert.equal(cut, text);
      else assert.ok(cut.endsWith('...') && text.startsWith(cut.slice(0, -3)));
    }),
  );
});
