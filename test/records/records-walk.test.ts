import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { BATCH_HEADER_BYTES } from '../../src/records/batch-layout.ts';
import { BatchView } from '../../src/records/batch-view.ts';
import { COMPRESSION, type CompressionName, decompress } from '../../src/records/compression/compression.ts';
import { RecordCursor } from '../../src/records/record-cursor.ts';
import { RecordFormatError } from '../../src/records/record-format-error.ts';
import { HeaderView } from '../../src/records/record-header.ts';
import { RecordsWalk } from '../../src/records/records-walk.ts';
import { batchOf, type TestRecord } from '../broker/streams/bindings/records.ts';
import { RECORDED_BATCHES } from '../wire/kafka/recorded-batches.ts';
import { anyDamage, damaged } from '../wire/malformed.ts';

const walk = new RecordsWalk();
const BYTES_MAX = 1 << 24;

const anyBytes = (maxLength: number) => fc.uint8Array({ maxLength }).map((bytes) => Buffer.from(bytes));
const anyHeader = fc.tuple(fc.string({ maxLength: 20 }), fc.option(anyBytes(200)));
const anyRecord: fc.Arbitrary<TestRecord> = fc.record({
  key: fc.option(anyBytes(100)),
  value: fc.option(fc.oneof(anyBytes(20), anyBytes(300), fc.constant(Buffer.alloc(20_000, 7)))),
  headers: fc.oneof(fc.constant([]), fc.array(anyHeader, { maxLength: 4 })),
  timestampMs: fc.oneof(fc.nat(2 ** 31 - 1), fc.integer({ min: 0, max: 2 ** 43 })),
});
const anyRecords = fc.array(anyRecord, { minLength: 1, maxLength: 80 });
const anyCodec = fc.constantFrom(...(Object.keys(COMPRESSION) as CompressionName[]));

/** The records of a batch, decompressed. */
function opened(batch: Buffer): Buffer {
  return decompress(new BatchView(batch, 0).compression, batch.subarray(BATCH_HEADER_BYTES), BYTES_MAX);
}

function walks(records: Buffer, count: number): boolean {
  return walk.walk(records, 0, records.length, count, false);
}

/** Whether RecordCursor reads all of it, headers too, and finds records without a gap in their numbers. */
function isReadable(records: Buffer, count: number): boolean {
  const head = Buffer.alloc(BATCH_HEADER_BYTES);
  const batch = Buffer.concat([head, records]);
  batch.writeInt32BE(batch.length - 12, 8);
  batch.writeInt32BE(count - 1, 23);
  batch.writeInt32BE(count, 57);
  const header = new HeaderView();
  try {
    const cursor = new RecordCursor().open(batch, 0);
    for (let index = 0; cursor.next(); index++) {
      if (cursor.offset !== index) return false;
      cursor.readContent();
      let at = cursor.headersStart;
      for (let left = cursor.headerCount; left > 0; left--) {
        if (!header.parse(cursor.bytes, at, cursor.contentEnd)) return false;
        at = header.valueEnd;
      }
      if (at !== cursor.contentEnd) return false;
    }
    cursor.expectEnd();
    return true;
  } catch (error) {
    if (!(error instanceof RecordFormatError)) throw error;
    return false;
  }
}

describe('the walk through the records of a batch', () => {
  test('passes whatever a producer makes, in every compression, and names the records without a key', () => {
    fc.assert(
      fc.property(anyRecords, anyCodec, (records, codec) => {
        const plain = opened(batchOf(records, codec));
        assert.ok(walk.walk(plain, 0, plain.length, records.length, true), walk.fault ?? '');
        const keyless = records.flatMap(({ key }, index) => (key === null ? [index] : []));
        assert.deepEqual(walk.keyless, keyless);
        assert.ok(walks(plain, records.length), walk.fault ?? '');
      }),
      { numRuns: 300 },
    );
  });

  for (const { name, bytes, recordCount } of RECORDED_BATCHES) {
    test(`passes what another library made: ${name}`, () => {
      assert.ok(walks(opened(bytes), recordCount), walk.fault ?? '');
    });
  }

  test('passes nothing of which RecordCursor cannot read every record and header to the end', () => {
    let passed = 0;
    fc.assert(
      fc.property(anyRecords, anyDamage, (records, damage) => {
        const plain = damaged(opened(batchOf(records)), damage);
        if (!walks(plain, records.length)) return;
        passed++;
        assert.ok(isReadable(plain, records.length));
      }),
      { numRuns: 5000 },
    );
    assert.ok(passed > 10, `only ${passed} were passed at all`);
  });

  test('refuses only what RecordCursor or its headers refuse, but for lengths below -1', () => {
    fc.assert(
      fc.property(anyRecords, anyDamage, (records, damage) => {
        const plain = damaged(opened(batchOf(records)), damage);
        if (walks(plain, records.length) || /of -\d+ bytes/.test(walk.fault ?? '')) return;
        assert.ok(!isReadable(plain, records.length), walk.fault ?? '');
      }),
      { numRuns: 5000 },
    );
  });

  test('refuses records that were cut off, doubled, left out, or counted wrongly', () => {
    fc.assert(
      fc.property(anyRecords, fc.double({ min: 0, max: 0.999, noNaN: true }), (records, place) => {
        const plain = opened(batchOf(records));
        const cut = Math.floor(place * plain.length);
        assert.ok(!walks(plain.subarray(0, cut), records.length));
        assert.ok(!walks(plain, records.length + 1));
        assert.ok(!walks(plain, records.length - 1));
        assert.ok(!walks(Buffer.concat([plain, plain]), records.length * 2));
        assert.ok(!walks(Buffer.concat([plain, Buffer.from([0])]), records.length));
        const first = opened(batchOf(records.slice(0, 1)));
        if (records.length > 1) assert.ok(!walks(plain.subarray(first.length), records.length - 1));
      }),
      { numRuns: 300 },
    );
  });

  test('sees an envelope where it would count: in the first header of any record', () => {
    const envelope = ['sluice.envelope', Buffer.from('x')] as const;
    const found = (headers: NonNullable<TestRecord['headers']>) => {
      const plain = opened(
        batchOf([
          { key: null, value: 'v' },
          { key: 'k', value: 'v', headers },
          { key: 'k', value: 'v' },
        ]),
      );
      assert.ok(walks(plain, 3), walk.fault ?? '');
      return walk.hasEnvelope;
    };
    assert.ok(found([envelope]));
    assert.ok(found([envelope, ['h', 'v']]));
    assert.ok(!found([['sluice.envelopf', 'v']]));
    assert.ok(!found([['sluice.envelope2', 'v']]));
    assert.ok(!found([]));
  });
});
