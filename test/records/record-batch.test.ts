import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { crc32cByTable } from '../../src/base/crc32c.ts';
import {
  BATCH_HEADER_BYTES,
  blankBatch,
  forEachRecord,
  RecordBatchBuilder,
  readBatchHeader,
  verifyBatch,
} from '../../src/records/record-batch.ts';

interface Record {
  readonly offset: number;
  readonly timestampMs: number;
  readonly content: string;
}

/** A second reader, written from Kafka's protocol guide with big integers, that shares nothing with ours. */
function decodeIndependently(batch: Buffer): Record[] {
  let at = 0;
  const varint = (): bigint => {
    let shift = 0n;
    let raw = 0n;
    for (;;) {
      const byte = batch[at++];
      raw |= BigInt(byte & 0x7f) << shift;
      shift += 7n;
      if (byte < 0x80) return (raw >> 1n) ^ -(raw & 1n);
    }
  };
  const baseOffset = batch.readBigInt64BE(0);
  assert.equal(batch.readInt32BE(8), batch.length - 12);
  assert.equal(batch.readInt32BE(12), 0, 'leader epoch');
  assert.equal(batch.readInt8(16), 2, 'magic');
  assert.equal(batch.readUInt32BE(17), crc32cByTable(batch.subarray(21)), 'checksum');
  assert.equal(batch.readInt16BE(21), 0, 'attributes');
  const lastOffset = baseOffset + BigInt(batch.readInt32BE(23));
  const baseTimestamp = batch.readBigInt64BE(27);
  const maxTimestamp = batch.readBigInt64BE(35);
  assert.equal(batch.readBigInt64BE(43), -1n, 'producer id');
  assert.equal(batch.readInt16BE(51), -1, 'producer epoch');
  assert.equal(batch.readInt32BE(53), crc32cByTable(batch.subarray(0, 8)) & 0x7fffffff, 'offset check');
  const count = batch.readInt32BE(57);
  at = 61;
  const records: Record[] = [];
  for (let index = 0; index < count; index++) {
    const end = Number(varint()) + at;
    assert.equal(batch[at++], 0, 'record attributes');
    const timestamp = baseTimestamp + varint();
    const offset = baseOffset + varint();
    records.push({
      offset: Number(offset),
      timestampMs: Number(timestamp),
      content: batch.toString('hex', at, end),
    });
    at = end;
  }
  assert.equal(at, batch.length);
  assert.equal(records.at(-1)?.offset, Number(lastOffset));
  assert.equal(Math.max(...records.map((record) => record.timestampMs)), Number(maxTimestamp));
  return records;
}

function decode(batches: Buffer): Record[] {
  const records: Record[] = [];
  forEachRecord(batches, 0, batches.length, (offset, timestampMs, buffer, start, length) => {
    records.push({ offset, timestampMs, content: buffer.toString('hex', start, start + length) });
  });
  return records;
}

const record = fc.record({
  gap: fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.nat(1000) }),
  timestampMs: fc.oneof(fc.integer({ min: 1.7e12, max: 1.8e12 }), fc.integer({ min: -5, max: 2 ** 45 })),
  content: fc.uint8Array({ minLength: 3, maxLength: 400 }),
});

test('what a builder gathers is read back the same, by us and by an independent decoder', () => {
  fc.assert(
    fc.property(
      fc.array(record, { minLength: 1, maxLength: 40 }),
      fc.nat(2 ** 50),
      fc.integer({ min: 0, max: 2000 }),
      (inputs, firstOffset, capacity) => {
        const builder = new RecordBatchBuilder(capacity);
        const expected: Record[] = [];
        const batches: Buffer[] = [];
        let offset = firstOffset;
        builder.begin();
        for (const input of inputs) {
          offset += input.gap;
          const source = Buffer.concat([Buffer.from('..'), input.content, Buffer.from('..')]);
          if (!builder.append(offset, input.timestampMs, source, 2, input.content.length)) {
            assert.ok(builder.recordCount > 0, 'the first record always fits');
            batches.push(Buffer.from(builder.finish()));
            builder.begin();
            assert.ok(builder.append(offset, input.timestampMs, source, 2, input.content.length));
          }
          expected.push({
            offset,
            timestampMs: input.timestampMs,
            content: Buffer.from(input.content).toString('hex'),
          });
          offset++;
        }
        batches.push(Buffer.from(builder.finish()));

        assert.deepEqual(batches.flatMap(decodeIndependently), expected);
        assert.deepEqual(decode(Buffer.concat(batches)), expected);
        for (const batch of batches) {
          assert.equal(verifyBatch(batch, 0, batch.length), null);
          const header = readBatchHeader(batch, 0);
          const own = decodeIndependently(batch);
          assert.equal(header.bytes, batch.length);
          assert.equal(header.baseOffset, own[0].offset);
          assert.equal(header.lastOffset, own.at(-1)?.offset);
          assert.equal(header.baseTimestampMs, own[0].timestampMs);
          assert.equal(header.recordCount, own.length);
          if (own.length > 1) assert.ok(batch.length <= Math.max(capacity, BATCH_HEADER_BYTES + 21 + 421));
        }
      },
    ),
  );
});

function sample(): Buffer {
  const builder = new RecordBatchBuilder(4096);
  builder.begin();
  for (let offset = 7; offset < 12; offset++) builder.append(offset, 1000, Buffer.from('hello'), 0, 5);
  return Buffer.from(builder.finish());
}

test('every flipped bit of a batch is found, those of its base offset too, which Kafka leaves unprotected', () => {
  const batch = sample();
  for (let bit = 0; bit < batch.length * 8; bit++) {
    const at = bit >> 3;
    batch[at] ^= 1 << (bit & 7);
    assert.notEqual(verifyBatch(batch, 0, batch.length), null, `bit ${bit}`);
    batch[at] ^= 1 << (bit & 7);
  }
  assert.equal(verifyBatch(batch, 0, batch.length), null);
});

test('a batch from a producer that knows nothing of our check on the offset is as good', () => {
  const batch = sample();
  batch.writeInt32BE(-1, 53);
  batch.writeUInt32BE(crc32cByTable(batch.subarray(21)), 17);
  batch.writeBigInt64BE(4711n, 0);
  batch.writeInt32BE(3, 12);
  assert.equal(verifyBatch(batch, 0, batch.length), null);
});

test('a batch that was cut short anywhere is found', () => {
  const batch = sample();
  for (let end = 0; end < batch.length; end++) assert.notEqual(verifyBatch(batch, 0, end), null);
});

test('offsets that do not increase are refused', () => {
  const builder = new RecordBatchBuilder(4096);
  builder.begin();
  builder.append(5, 0, Buffer.from('a'), 0, 1);
  assert.throws(() => builder.append(5, 0, Buffer.from('a'), 0, 1), RangeError);
});

test('a batch ends where its offsets would no longer fit their 31 bits', () => {
  const builder = new RecordBatchBuilder(4096);
  builder.begin();
  assert.ok(builder.append(0, 0, Buffer.from('a'), 0, 1));
  assert.equal(builder.append(2 ** 31, 0, Buffer.from('a'), 0, 1), false);
  assert.ok(builder.append(2 ** 31 - 1, 0, Buffer.from('a'), 0, 1));
});

test('a blank batch is a valid batch of any size that holds nothing', () => {
  for (const bytes of [61, 62, 1000]) {
    const blank = blankBatch(100, 150, bytes);
    assert.equal(verifyBatch(blank, 0, bytes), null);
    assert.deepEqual(decode(blank), []);
    assert.equal(readBatchHeader(blank, 0).baseOffset, 100);
    assert.equal(readBatchHeader(blank, 0).lastOffset, 149);
  }
});
