import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { crc32c, crc32cByTable } from '../../src/base/crc32c.ts';

test('the checksum has the values of RFC 3720, appendix B.4', () => {
  const cases: readonly (readonly [Buffer, number])[] = [
    [Buffer.alloc(32), 0x8a9136aa],
    [Buffer.alloc(32, 0xff), 0x62a8ab43],
    [Buffer.from(Array.from({ length: 32 }, (_, index) => index)), 0x46dd794e],
    [Buffer.from('123456789'), 0xe3069283],
  ];
  for (const [bytes, expected] of cases) {
    assert.equal(crc32c(bytes), expected);
    assert.equal(crc32cByTable(bytes), expected);
  }
});

test('the table gives what the native code gives, in one piece or continued', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(300), (bytes, cut) => {
      const whole = crc32c(bytes);
      assert.equal(crc32cByTable(bytes), whole);
      const head = bytes.subarray(0, cut);
      const tail = bytes.subarray(cut);
      assert.equal(crc32cByTable(tail, crc32cByTable(head)), whole);
      assert.equal(crc32c(tail, crc32c(head)), whole);
    }),
  );
});
