import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Table, Value } from '../../../src/base/value.ts';
import { ByteReader } from '../../../src/wire/amqp091/byte-reader.ts';
import { FRAME_PREFIX_BYTES } from '../../../src/wire/amqp091/constants.ts';
import { WireError } from '../../../src/wire/amqp091/errors.ts';
import {
  decodeTable,
  decodeTableFields,
  encodeTable,
  skipTable,
} from '../../../src/wire/amqp091/field-table.ts';
import { FrameWriter } from '../../../src/wire/amqp091/frames.ts';
import { decodeMethod, encodeMethod } from '../../../src/wire/amqp091/methods.ts';
import { anyDamage, damaged, decodesOrRefuses } from '../malformed.ts';
import { anyTable, comparable } from './arbitraries.ts';

function encoded(table: Table): Buffer {
  const writer = new FrameWriter();
  encodeTable(writer, table);
  return writer.take();
}

/** A table with one field `k` whose value is the given letter and bytes. */
function tableOf(letter: string, ...value: number[]): Buffer {
  const fields = [1, 0x6b, letter.charCodeAt(0), ...value];
  return Buffer.from([0, 0, 0, fields.length, ...fields]);
}

function fieldValue(letter: string, ...value: number[]): Value {
  const bytes = tableOf(letter, ...value);
  skipTable(new ByteReader(bytes, 0, bytes.length, 'table'));
  return decodeTable(bytes, 0, bytes.length).k;
}

test('every table comes back from the wire as it went (AMQP 4.2.5.5)', () => {
  fc.assert(
    fc.property(anyTable, (table) => {
      const bytes = encoded(table);
      assert.deepEqual(comparable(decodeTable(bytes, 0, bytes.length)), comparable(table));
      assert.deepEqual(comparable(decodeTableFields(bytes, 4, bytes.length)), comparable(table));
    }),
    { numRuns: 1000 },
  );
});

test("each of RabbitMQ's letters means what RabbitMQ means by it", () => {
  const minusOne = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
  assert.equal(fieldValue('t', 1), true);
  assert.equal(fieldValue('t', 0), false);
  assert.equal(fieldValue('b', 0xff), -1);
  assert.equal(fieldValue('B', 0xff), 255);
  assert.equal(fieldValue('s', 0xff, 0xfe), -2);
  assert.equal(fieldValue('u', 0xff, 0xfe), 65534);
  assert.equal(fieldValue('I', 0xff, 0xff, 0xff, 0xfd), -3);
  assert.equal(fieldValue('i', 0xff, 0xff, 0xff, 0xfd), 4294967293);
  assert.equal(fieldValue('l', ...minusOne), -1);
  assert.equal(fieldValue('L', ...minusOne), -1);
  assert.equal(fieldValue('f', 0x3f, 0xc0, 0, 0), 1.5);
  assert.equal(fieldValue('d', 0x3f, 0xf8, 0, 0, 0, 0, 0, 0), 1.5);
  assert.equal(fieldValue('D', 2, 0, 0, 0x30, 0x39), 123.45);
  assert.equal(fieldValue('S', 0, 0, 0, 2, 0xc3, 0xa9), 'é');
  assert.deepEqual(fieldValue('A', 0, 0, 0, 3, 0x56, 0x74, 1), [null, true]);
  assert.deepEqual(fieldValue('T', 0, 0, 0, 0, 0, 0, 0, 5), new Date(5000));
  assert.deepEqual(comparable(fieldValue('F', 0, 0, 0, 4, 1, 0x61, 0x62, 7)), comparable({ a: 7 }));
  assert.equal(fieldValue('V'), null);
  assert.deepEqual(fieldValue('x', 0, 0, 0, 2, 0xff, 0), new Uint8Array([0xff, 0]));
});

test('an integer of 64 bits is a number as long as a number is exact, then a bigint', () => {
  const edge = 2n ** 53n;
  for (const value of [edge - 1n, -edge + 1n]) {
    const bytes = encoded({ k: value });
    assert.equal(decodeTable(bytes, 0, bytes.length).k, Number(value));
  }
  for (const value of [edge, -edge, 2n ** 63n - 1n, -(2n ** 63n)]) {
    const bytes = encoded({ k: value });
    assert.equal(decodeTable(bytes, 0, bytes.length).k, value);
  }
  assert.throws(() => encoded({ k: 2n ** 63n }), WireError);
});

test('an S that is not UTF-8 stays bytes instead of losing them', () => {
  assert.deepEqual(fieldValue('S', 0, 0, 0, 2, 0xff, 0xfe), new Uint8Array([0xff, 0xfe]));
});

test('a time beyond what Date holds stays a number of seconds', () => {
  assert.equal(fieldValue('T', 0, 6, 0, 0, 0, 0, 0, 0), 6 * 2 ** 48);
  assert.deepEqual(fieldValue('T', 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), new Date(-1000));
});

test('numbers take the letter that holds them exactly', () => {
  const letterOf = (value: Value): string => String.fromCharCode(encoded({ k: value })[6]);
  assert.equal(letterOf(0), 'I');
  assert.equal(letterOf(2 ** 31 - 1), 'I');
  assert.equal(letterOf(-(2 ** 31)), 'I');
  assert.equal(letterOf(2 ** 31), 'l');
  assert.equal(letterOf(2 ** 53), 'd');
  assert.equal(letterOf(0.5), 'd');
  assert.equal(letterOf(Number.NaN), 'd');
  assert.ok(Object.is(decodeTable(encoded({ k: -0 }), 0, 16).k, -0));
});

test('keys that objects know otherwise are keys like any other', () => {
  const bytes = encoded(JSON.parse('{"__proto__": {"polluted": true}, "constructor": 1}'));
  const table = decodeTable(bytes, 0, bytes.length);
  assert.deepEqual(Object.keys(table), ['__proto__', 'constructor']);
  assert.equal(table.polluted, undefined);
  assert.equal(decodeTable(encoded({}), 0, 4).constructor, undefined);
});

test('tables and arrays nest as deep as the limit and no deeper, when reading, skipping and writing', () => {
  const nested = (depth: number): Table => {
    let value: Value = 1;
    for (let i = 1; i < depth; i++) value = i % 2 === 0 ? [value] : { k: value };
    return { k: value };
  };
  const writer = new FrameWriter();
  encodeTable(writer, nested(10), 10);
  const bytes = writer.take();
  assert.throws(() => encodeTable(new FrameWriter(), nested(11), 10), WireError);
  const skip = (depthMax: number): void =>
    skipTable(new ByteReader(bytes, 0, bytes.length, 'table'), depthMax);
  assert.deepEqual(comparable(decodeTable(bytes, 0, bytes.length, 10)), comparable(nested(10)));
  skip(10);
  assert.throws(() => decodeTable(bytes, 0, bytes.length, 9), /nested too deeply/);
  assert.throws(() => skip(9), /nested too deeply/);
});

test('a table that contains itself is refused, not followed for ever', () => {
  const loop: Record<string, Value> = {};
  loop.self = [loop];
  assert.throws(() => encodeTable(new FrameWriter(), loop), WireError);
});

test('a table cut anywhere is a syntax error, though the bytes go on behind the cut', () => {
  fc.assert(
    fc.property(anyTable, (table) => {
      const bytes = encoded(table);
      for (let end = 0; end < bytes.length; end++) {
        assert.throws(() => decodeTable(bytes, 0, end), WireError);
        assert.throws(() => skipTable(new ByteReader(bytes, 0, end, 'table')), WireError);
      }
    }),
    { numRuns: 150 },
  );
});

test('a value that reaches beyond the length of its own table is refused', () => {
  const bytes = Buffer.concat([tableOf('I', 0, 0, 0, 1), Buffer.alloc(8)]);
  bytes[3] -= 2;
  assert.throws(() => decodeTable(bytes, 0, bytes.length), /beyond the length of its table/);
});

test('a length of four gigabytes is refused before anything is made for it', () => {
  for (const letter of ['S', 'x', 'F', 'A']) {
    assert.throws(() => fieldValue(letter, 0xff, 0xff, 0xff, 0xff), WireError);
  }
});

test('damaged tables are decoded or refused, and skipping agrees with decoding', () => {
  fc.assert(
    fc.property(anyTable, anyDamage, (table, damage) => {
      const bytes = damaged(encoded(table), damage);
      decodesOrRefuses(WireError, () => skipTable(new ByteReader(bytes, 0, bytes.length, 'table')));
      let isDecoded = false;
      decodesOrRefuses(WireError, () => {
        decodeTable(bytes, 0, bytes.length);
        isDecoded = true;
      });
      if (isDecoded) skipTable(new ByteReader(bytes, 0, bytes.length, 'table'));
    }),
    { numRuns: 3000 },
  );
});

test('a method has at most 4,096 values in its tables, nested ones included; what is stored is read whatever it has', () => {
  const declared = (values: number) =>
    methodBytes({ list: Array.from({ length: values - 2 }, () => null), inner: {} });
  assert.equal(decodeMethod(declared(4096), 0, declared(4096).length).name, 'queue.declare');
  assert.throws(() => decodeMethod(declared(4097), 0, declared(4097).length), /more than 4096 values/);
  const stored = encoded(Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [`k${i}`, null])));
  assert.equal(Object.keys(decodeTable(stored, 0, stored.length)).length, 10_000);
});

/** The payload of a queue.declare. */
function methodBytes(args: Table): Buffer {
  const writer = new FrameWriter();
  const flags = { passive: false, durable: false, exclusive: false, autoDelete: false, noWait: false };
  encodeMethod(writer, 1, { name: 'queue.declare', queue: 'q', ...flags, arguments: args });
  return writer.take().subarray(FRAME_PREFIX_BYTES, -1);
}
