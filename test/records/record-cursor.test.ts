import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { BatchView } from '../../src/records/batch-view.ts';
import { COMPRESSION, compress } from '../../src/records/compression/compression.ts';
import { RecordCursor } from '../../src/records/record-cursor.ts';
import { RecordFormatError } from '../../src/records/record-format-error.ts';
import {
  type PlainRecord,
  RECORDED_BATCHES,
  recordedBatch,
  recordOf,
} from '../wire/kafka/recorded-batches.ts';
import { anyDamage, damaged, decodesOrRefuses } from '../wire/malformed.ts';
import { decodeRecords } from './independent-decoder.ts';
import { headersOfRecord } from './record-headers.ts';

const BYTES_MAX = 1 << 20;

interface ReadRecord extends PlainRecord {
  readonly offset: number;
}

function recordsOf(bytes: Buffer, bytesMax = BYTES_MAX): ReadRecord[] {
  const cursor = new RecordCursor(bytesMax).open(bytes, 0);
  const text = (start: number, length: number) =>
    length < 0 ? null : cursor.bytes.toString('utf8', start, start + length);
  const records: ReadRecord[] = [];
  while (cursor.next()) {
    cursor.readContent();
    records.push({
      offset: cursor.offset,
      timestampMs: cursor.timestampMs,
      key: text(cursor.keyStart, cursor.keyLength),
      value: text(cursor.valueStart, cursor.valueLength),
      headers: headersOfRecord(cursor),
    });
  }
  cursor.expectEnd();
  return records;
}

function changed(name: string, change: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.from(recordedBatch(name).bytes);
  change(bytes);
  return bytes;
}

describe('a batch that another library made', () => {
  for (const { name, bytes, recordCount, baseOffset } of RECORDED_BATCHES) {
    test(`gives back its records: ${name}`, () => {
      const expected = Array.from({ length: recordCount }, (_, index) => ({
        offset: baseOffset + index,
        ...recordOf(index),
      }));
      assert.deepEqual(recordsOf(bytes), expected);
    });
  }

  test('covers every compression', () => {
    const seen = new Set(RECORDED_BATCHES.map(({ bytes }) => new BatchView(bytes, 0).compression));
    assert.deepEqual([...seen].sort(), Object.values(COMPRESSION));
  });

  test('has the time of its maximum for all records if the log set the time', () => {
    const bytes = changed('kafkajs none', (batch) => (batch[22] |= 8));
    const { maxTimestampMs } = new BatchView(bytes, 0);
    assert.ok(recordsOf(bytes).every((record) => record.timestampMs === maxTimestampMs));
  });
});

describe('a corrupt batch', () => {
  test('behind a good checksum is read or refused, never anything else', () => {
    fc.assert(
      fc.property(fc.constantFrom(...RECORDED_BATCHES), anyDamage, ({ bytes }, damage) => {
        const copy = damaged(bytes, damage);
        // The length is checked before.
        bytes.copy(copy, 8, 8, 12);
        decodesOrRefuses(RecordFormatError, () => recordsOf(copy));
      }),
      { numRuns: 1500 },
    );
  });

  test('whose keys or values reach beyond their record is refused', () => {
    // The first record begins with its length, attributes, and two deltas, of a byte each.
    const { bytes } = recordedBatch('java none');
    assert.deepEqual([bytes[65], bytes.toString('latin1', 66, 71)], [10, 'key-0']);
    for (const length of [60, 62, -2, -1]) {
      const copy = Buffer.from(bytes);
      copy[65] = length < 0 ? -2 * length - 1 : 2 * length;
      assert.throws(() => recordsOf(copy), RecordFormatError, `a key of ${length} bytes`);
    }
  });

  test('with fewer or more records than it says is refused', () => {
    for (const count of [24, 26, 0x7fffffff]) {
      const bytes = changed('java none', (batch) => batch.writeInt32BE(count, 57));
      assert.throws(() => recordsOf(bytes), RecordFormatError);
    }
  });
});

describe('compressed records', () => {
  test('may not be larger than the limit', () => {
    for (const { name, bytes } of RECORDED_BATCHES) {
      if (new BatchView(bytes, 0).compression === 0) continue;
      assert.throws(() => recordsOf(bytes, 50_000), RecordFormatError, name);
    }
  });

  test('that are cut off are refused, wherever that is', () => {
    for (const { name, bytes } of RECORDED_BATCHES) {
      if (new BatchView(bytes, 0).compression === 0) continue;
      for (let length = 61; length < bytes.length; length += length < 100 ? 1 : 997) {
        const cut = Buffer.from(bytes.subarray(0, length));
        cut.writeInt32BE(length - 12, 8);
        assert.throws(() => recordsOf(cut), RecordFormatError, `${name} at ${length}`);
      }
    }
  });
});

/** Zigzag, seven bits at a time. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  let zigzag = value < 0 ? -2 * value - 1 : 2 * value;
  for (; zigzag > 0x7f; zigzag = Math.floor(zigzag / 0x80)) bytes.push((zigzag % 0x80) | 0x80);
  return [...bytes, zigzag];
}

const anyContent = fc.record({
  key: fc.option(fc.uint8Array({ maxLength: 20 })),
  value: fc.option(fc.uint8Array({ maxLength: 200 })),
  headers: fc.array(fc.tuple(fc.uint8Array({ maxLength: 8 }), fc.option(fc.uint8Array({ maxLength: 8 }))), {
    maxLength: 3,
  }),
});
const anyRecord = fc.record({
  gap: fc.nat(3),
  timestampDelta: fc.oneof(
    fc.integer({ min: -1000, max: 1000 }),
    fc.integer({ min: -(2 ** 40), max: 2 ** 40 }),
  ),
  content: anyContent,
});
const anyBatch = fc.record({
  records: fc.array(anyRecord, { minLength: 1, maxLength: 20 }),
  baseOffset: fc.nat(2 ** 31 - 1),
  isLogAppendTime: fc.boolean(),
});

function bytesOf(parts: readonly (readonly number[] | Uint8Array)[]): Buffer {
  return Buffer.concat(parts.map((part) => Buffer.from(part)));
}

function optional(part: Uint8Array | null): Buffer {
  return part === null ? Buffer.from(varint(-1)) : bytesOf([varint(part.length), part]);
}

type AnyBatch = typeof anyBatch extends fc.Arbitrary<infer Batch> ? Batch : never;

/** Without a checksum, which a cursor does not look at. */
function batchOf({ records, baseOffset, isLogAppendTime }: AnyBatch): Buffer {
  let delta = -1;
  const body = records.map(({ gap, timestampDelta, content: { key, value, headers } }) => {
    delta += 1 + gap;
    const rest = bytesOf([
      [0],
      varint(timestampDelta),
      varint(delta),
      optional(key),
      optional(value),
      varint(headers.length),
      ...headers.flatMap(([name, headerValue]) => [optional(name), optional(headerValue)]),
    ]);
    return bytesOf([varint(rest.length), rest]);
  });
  const batch = Buffer.concat([Buffer.alloc(61), ...body]);
  batch.writeBigInt64BE(BigInt(baseOffset), 0);
  batch.writeInt32BE(batch.length - 12, 8);
  batch[16] = 2;
  batch[22] = isLogAppendTime ? 8 : 0;
  batch.writeInt32BE(delta, 23);
  batch.writeBigInt64BE(1_700_000_000_000n, 27);
  batch.writeBigInt64BE(1_800_000_000_000n, 35);
  batch.writeInt32BE(records.length, 57);
  return batch;
}

type Decoded = NonNullable<ReturnType<typeof decodeRecords>>;

/** As the independent decoder gives them; null if they are refused. */
function readAll(cursor: RecordCursor): Decoded | null {
  const hex = (start: number, length: number): string | null =>
    length < 0 ? null : cursor.bytes.toString('hex', start, start + length);
  const records: Decoded = [];
  try {
    while (cursor.next()) {
      cursor.readContent();
      const { offset, timestampMs, contentStart, contentEnd } = cursor;
      records.push({
        offset,
        timestampMs,
        content: cursor.bytes.toString('hex', contentStart, contentEnd),
        key: hex(cursor.keyStart, cursor.keyLength),
        value: hex(cursor.valueStart, cursor.valueLength),
        headers: headersOfRecord(cursor, 'hex'),
      });
    }
    cursor.expectEnd();
  } catch (error) {
    assert.ok(error instanceof RecordFormatError, String(error));
    return null;
  }
  return records;
}

function assertAlike(batch: Buffer, at: number, place: Buffer): void {
  const expected = decodeRecords(batch);
  const found = readAll(new RecordCursor().open(place, at));
  if (found === null || expected === null) {
    assert.equal(found === null, expected === null);
    return;
  }
  // What is far beyond any clock is not compared.
  const known = found.map((record, index) =>
    expected[index].timestampMs === null ? { ...record, timestampMs: null } : record,
  );
  assert.deepEqual(known, expected);
}

describe('the records of any batch', () => {
  test('are those that an independent decoder finds, wherever the batch is', () => {
    fc.assert(
      fc.property(anyBatch, fc.nat(30), (input, at) => {
        const batch = batchOf(input);
        assert.equal(decodeRecords(batch)?.length, input.records.length);
        assertAlike(batch, at, Buffer.concat([Buffer.alloc(at, 0xee), batch, Buffer.alloc(20, 0xff)]));
      }),
    );
  });

  test('are refused where an independent decoder refuses them, and nowhere else', () => {
    fc.assert(
      fc.property(anyBatch, anyDamage, fc.nat(30), (input, damage, at) => {
        const whole = batchOf(input);
        const batch = Buffer.concat([whole.subarray(0, 61), damaged(whole.subarray(61), damage)]);
        assertAlike(batch, at, Buffer.concat([Buffer.alloc(at, 0xee), batch, Buffer.alloc(20, 0xff)]));
      }),
      { numRuns: 1000 },
    );
  });

  test('are refused or read as an independent decoder does it if they are garbage, or cut off', () => {
    fc.assert(
      fc.property(
        anyBatch,
        fc.uint8Array({ maxLength: 40 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (input, noise, part) => {
          const whole = batchOf(input);
          const kept = 61 + Math.floor((whole.length - 61) * part);
          const batch = Buffer.concat([whole.subarray(0, kept), noise]);
          batch.writeInt32BE(batch.length - 12, 8);
          assertAlike(batch, 0, batch);
        },
      ),
      { numRuns: 1000 },
    );
  });

  test('are gone through once, however often the cursor is interrupted and the batch moved', () => {
    fc.assert(
      fc.property(
        anyBatch,
        fc.constantFrom(...Object.values(COMPRESSION)),
        fc.array(fc.nat(2)),
        (input, code, steps) => {
          const plain = batchOf(input);
          const batch = Buffer.concat([plain.subarray(0, 61), compress(code, plain.subarray(61))]);
          batch.writeInt32BE(batch.length - 12, 8);
          batch[22] |= code;
          const cursor = new RecordCursor();
          const offsets: number[] = [];
          cursor.resume(batch, 0);
          for (let count = 0; cursor.next(); count++) {
            const step = steps[count % Math.max(1, steps.length)] ?? 0;
            if (step === 1) {
              cursor.stepBack();
              cursor.resume(Buffer.concat([Buffer.alloc(count + 1), batch]), count + 1);
              assert.ok(cursor.next());
            } else if (step === 2) {
              cursor.resume(Buffer.concat([Buffer.alloc(count + 7), batch]), count + 7);
            }
            offsets.push(cursor.offset);
          }
          assert.deepEqual(
            offsets,
            decodeRecords(plain)?.map(({ offset }) => offset),
          );
        },
      ),
    );
  });
});
