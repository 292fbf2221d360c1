import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { crc32cByTable } from '../../src/base/crc32c.ts';
import { RecordBatchBuilder } from '../../src/records/batch-builder.ts';
import { verifyBatch } from '../../src/records/batch-checksum.ts';
import { BATCH_HEADER_BYTES } from '../../src/records/batch-layout.ts';
import { BatchView } from '../../src/records/batch-view.ts';
import { blankBatch } from '../../src/records/batch-writer.ts';
import { forEachRecord } from '../../src/records/record-cursor.ts';
import { decodeHeader, decodeRecords } from './independent-decoder.ts';

interface Record {
  readonly offset: number;
  readonly timestampMs: number;
  readonly content: string;
}

/** What our batches have in each of these fields, as a decoder finds it that shares nothing with ours. */
function decodeIndependently(batch: Buffer): Record[] {
  const header = decodeHeader(batch);
  assert.equal(header.byteLength, batch.length);
  assert.equal(header.crc, crc32cByTable(batch.subarray(21)), 'checksum');
  assert.deepEqual([header.leaderEpoch, header.magic, header.attributes], [0, 2, 0]);
  assert.deepEqual([header.producerId, header.producerEpoch], [-1, -1]);
  assert.equal(header.baseSequence, crc32cByTable(batch.subarray(0, 8)) & 0x7fffffff, 'offset check');
  const records = (decodeRecords(batch, false) ?? []).map(({ offset, timestampMs, content }) => ({
    offset,
    timestampMs: timestampMs ?? -1,
    content,
  }));
  assert.equal(records.at(-1)?.offset, header.lastOffset);
  assert.equal(Math.max(...records.map((record) => record.timestampMs)), header.maxTimestampMs);
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
          const header = new BatchView(batch, 0);
          const own = decodeIndependently(batch);
          assert.equal(header.byteLength, batch.length);
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
    assert.equal(new BatchView(blank, 0).baseOffset, 100);
    assert.equal(new BatchView(blank, 0).lastOffset, 149);
  }
});
