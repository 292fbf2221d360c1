import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { verifyBatch } from '../../src/records/batch-checksum.ts';
import { BATCH_HEADER_BYTES } from '../../src/records/batch-layout.ts';
import {
  BatchView,
  baseOffsetOf,
  batchBytes,
  lastOffsetDeltaOf,
  lastOffsetOf,
  leaderEpochOf,
  magicOf,
  maxTimestampMsOf,
  recordCountOf,
} from '../../src/records/batch-view.ts';
import { COMPRESSION } from '../../src/records/compression/compression.ts';
import {
  baseSequenceOf,
  hasProducer,
  isControl,
  isTransactional,
  producerEpochOf,
  producerIdOf,
} from '../../src/records/producer-fields.ts';
import { RECORDED_BATCHES, recordedBatch, recordOf } from '../wire/kafka/recorded-batches.ts';
import { decodeHeader } from './independent-decoder.ts';

/** Headers as they are, and as they are never: any bytes. */
const anyHeader = fc.oneof(
  fc.uint8Array({ minLength: BATCH_HEADER_BYTES, maxLength: BATCH_HEADER_BYTES }),
  fc.constantFrom(...RECORDED_BATCHES).map(({ bytes }) => bytes.subarray(0, BATCH_HEADER_BYTES)),
);

describe('the fields of a batch', () => {
  test('are those that an independent decoder finds, wherever the batch begins', () => {
    fc.assert(
      fc.property(anyHeader, fc.nat(40), (header, at) => {
        const bytes = Buffer.concat([Buffer.alloc(at, 0xee), header, Buffer.alloc(3, 0xdd)]);
        const expected = decodeHeader(header);
        const view = new BatchView(Buffer.alloc(BATCH_HEADER_BYTES), 0);
        view.moveTo(bytes, at);
        for (const [name, value] of Object.entries(expected)) {
          assert.equal(view[name as keyof typeof expected], value, name);
        }
        const { attributes } = expected;
        assert.equal(view.end, at + expected.byteLength);
        assert.equal(view.compression, attributes & 7);
        assert.equal(view.isLogAppendTime, ((attributes >> 3) & 1) === 1);
        assert.equal(view.isTransactional, ((attributes >> 4) & 1) === 1);
        assert.equal(view.isControl, ((attributes >> 5) & 1) === 1);
      }),
    );
  });

  test('are the same one by one', () => {
    fc.assert(
      fc.property(anyHeader, fc.nat(40), (header, at) => {
        const bytes = Buffer.concat([Buffer.alloc(at, 0xee), header]);
        const expected = decodeHeader(header);
        assert.deepEqual(
          {
            baseOffset: baseOffsetOf(bytes, at),
            byteLength: batchBytes(bytes, at),
            leaderEpoch: leaderEpochOf(bytes, at),
            magic: magicOf(bytes, at),
            lastOffset: lastOffsetOf(bytes, at),
            maxTimestampMs: maxTimestampMsOf(bytes, at),
            producerId: producerIdOf(bytes, at),
            producerEpoch: producerEpochOf(bytes, at),
            baseSequence: baseSequenceOf(bytes, at),
            recordCount: recordCountOf(bytes, at),
          },
          (({ crc: _, attributes: __, baseTimestampMs: ___, ...others }) => others)(expected),
        );
        assert.equal(baseOffsetOf(bytes, at) + lastOffsetDeltaOf(bytes, at), expected.lastOffset);
        assert.equal(hasProducer(bytes, at), expected.producerId >= 0);
        assert.equal(isTransactional(bytes, at), (expected.attributes & 0x10) !== 0);
        assert.equal(isControl(bytes, at), (expected.attributes & 0x20) !== 0);
      }),
    );
  });

  test('of a batch of kafka-clients are what its producer was told', () => {
    const { bytes } = recordedBatch('java zstd');
    const padded = Buffer.concat([Buffer.alloc(9), bytes]);
    const batch = new BatchView(padded, 9);
    assert.deepEqual(
      [batch.baseOffset, batch.byteLength, batch.leaderEpoch, batch.magic, batch.compression, batch.end],
      [77, bytes.length, 5, 2, COMPRESSION.zstd, padded.length],
    );
    assert.deepEqual(
      [batch.producerId, batch.producerEpoch, batch.baseSequence, batch.recordCount, batch.lastOffset],
      [4242, 3, 19, 700, 776],
    );
    assert.deepEqual([batch.isTransactional, batch.isControl, batch.isLogAppendTime], [false, false, false]);
    assert.equal(batch.baseTimestampMs, recordOf(0).timestampMs);
    assert.equal(batch.maxTimestampMs, recordOf(699).timestampMs);
  });
});

describe('bytes that are no batch', () => {
  test('are found out, whatever they are and however few', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (noise, isForeign) => {
        const bytes = Buffer.from(noise);
        assert.equal(typeof verifyBatch(bytes, 0, bytes.length, isForeign), 'string');
      }),
    );
  });

  test('are found out where a batch was cut off', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...RECORDED_BATCHES),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (batch, part) => {
          const { bytes } = batch;
          const end = Math.floor(bytes.length * part);
          assert.equal(typeof verifyBatch(bytes, 0, end, true), 'string');
          assert.equal(verifyBatch(bytes, 0, bytes.length, true), null);
        },
      ),
    );
  });
});
