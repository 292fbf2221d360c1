import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { readInt64, writeInt64 } from '../../src/records/batch-layout.ts';
import {
  readVarint,
  readVarlong,
  varintEnd,
  varintLength,
  varlongEnd,
  varlongLength,
  writeVarint,
  writeVarlong,
} from '../../src/records/record-content.ts';

test('varints are those of Kafka: zigzag, seven bits at a time, the low ones first', () => {
  const cases: readonly (readonly [number, string])[] = [
    [0, '00'],
    [-1, '01'],
    [1, '02'],
    [63, '7e'],
    [-64, '7f'],
    [64, '8001'],
    [-65, '8101'],
    [8191, 'fe7f'],
    [8192, '808001'],
    [2147483647, 'feffffff0f'],
    [-2147483648, 'ffffffff0f'],
  ];
  for (const [value, hex] of cases) {
    const buffer = Buffer.alloc(8);
    const end = writeVarint(buffer, 0, value);
    assert.equal(buffer.toString('hex', 0, end), hex);
    assert.equal(readVarint(buffer, 0), value);
    assert.equal(varintEnd(buffer, 0), end);
    assert.equal(varintLength(value), end);
  }
});

test('any 32-bit integer survives as a varint', () => {
  const buffer = Buffer.alloc(16);
  fc.assert(
    fc.property(fc.integer(), fc.nat(8), (value, at) => {
      const end = writeVarint(buffer, at, value);
      assert.equal(readVarint(buffer, at), value);
      assert.equal(varintEnd(buffer, at), end);
      assert.equal(end - at, varintLength(value));
    }),
  );
});

test('any integer within 2^52 survives as a varlong, with the bytes of a 64-bit zigzag', () => {
  const buffer = Buffer.alloc(32);
  fc.assert(
    fc.property(fc.integer({ min: -(2 ** 52), max: 2 ** 52 }), fc.nat(8), (value, at) => {
      const end = writeVarlong(buffer, at, value);
      assert.equal(readVarlong(buffer, at), value);
      assert.equal(varlongEnd(buffer, at), end);
      assert.equal(end - at, varlongLength(value));
      const zigzag = BigInt.asUintN(64, (BigInt(value) << 1n) ^ (BigInt(value) >> 63n));
      let read = 0n;
      for (let index = end - 1; index >= at; index--) read = (read << 7n) | BigInt(buffer[index] & 0x7f);
      assert.equal(read, zigzag);
    }),
  );
});

test('64-bit integers are those of the runtime', () => {
  const buffer = Buffer.alloc(16);
  fc.assert(
    fc.property(fc.maxSafeInteger(), fc.nat(8), (value, at) => {
      writeInt64(buffer, at, value);
      assert.equal(buffer.readBigInt64BE(at), BigInt(value));
      assert.equal(readInt64(buffer, at), value);
    }),
  );
});
