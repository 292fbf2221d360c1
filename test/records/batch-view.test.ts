import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { crc32c } from '../../src/base/crc32c.ts';
import { BatchView, findBatchFault, findProducedFault } from '../../src/records/batch-view.ts';
import { COMPRESSION } from '../../src/records/compression/compression.ts';
import { CONTROL_TYPE, controlType, transactionEndBatch } from '../../src/records/control-record.ts';
import { RecordCursor } from '../../src/records/record-cursor.ts';
import { KafkaWireError } from '../../src/wire/kafka/errors.ts';
import { anyDamage, damaged, decodesOrRefuses } from '../wire/kafka/malformed.ts';
import {
  type PlainRecord,
  RECORDED_BATCHES,
  recordedBatch,
  recordOf,
} from '../wire/kafka/recorded-batches.ts';

const BYTES_MAX = 1 << 20;

interface ReadRecord extends PlainRecord {
  readonly offset: number;
}

function recordsOf(bytes: Buffer, bytesMax = BYTES_MAX): ReadRecord[] {
  const cursor = new RecordCursor(bytes, 0, bytesMax);
  const text = (start: number, length: number) =>
    length < 0 ? null : cursor.bytes.toString('utf8', start, start + length);
  const records: ReadRecord[] = [];
  while (cursor.next()) {
    records.push({
      offset: cursor.offset,
      timestampMs: cursor.timestampMs,
      key: text(cursor.keyStart, cursor.keyLength),
      value: text(cursor.valueStart, cursor.valueLength),
      headers: cursor.headers().map(({ name, value }) => [name, value === null ? null : String(value)]),
    });
  }
  return records;
}

/** The checksum put right again after a change. */
function sealed(bytes: Buffer): Buffer {
  bytes.writeUInt32BE(crc32c(bytes.subarray(21)), 17);
  return bytes;
}

function changed(name: string, change: (bytes: Buffer) => void): Buffer {
  const bytes = Buffer.from(recordedBatch(name).bytes);
  change(bytes);
  return bytes;
}

describe('a batch that another library made', () => {
  for (const { name, bytes, recordCount, baseOffset } of RECORDED_BATCHES) {
    test(`gives back its records: ${name}`, () => {
      assert.equal(findBatchFault(bytes, 0, bytes.length), null);
      assert.equal(findProducedFault(bytes, 0, bytes.length), null);
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

  test('shows its header', () => {
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

  test('has the time of its maximum for all records if the log set the time', () => {
    const bytes = changed('kafkajs none', (batch) => (batch[22] |= 8));
    const { maxTimestampMs } = new BatchView(bytes, 0);
    assert.ok(recordsOf(bytes).every((record) => record.timestampMs === maxTimestampMs));
  });
});

describe('a damaged batch', () => {
  test('is found by its checksum, whichever bit behind the checksum it is', () => {
    const { bytes } = recordedBatch('java none');
    fc.assert(
      fc.property(fc.integer({ min: 17 * 8, max: bytes.length * 8 - 1 }), (bit) => {
        const copy = Buffer.from(bytes);
        copy[bit >> 3] ^= 1 << (bit & 7);
        assert.equal(findBatchFault(copy, 0, copy.length)?.error, 'CORRUPT_MESSAGE');
      }),
    );
  });

  test('is found wherever it is cut off', () => {
    const { bytes } = recordedBatch('java none');
    for (let end = 0; end < bytes.length; end++) {
      assert.equal(findBatchFault(bytes, 0, end)?.error, 'CORRUPT_MESSAGE');
    }
  });

  test('with an impossible length is found', () => {
    for (const length of [-1, 0, 48, 0x7fffffff, -2147483648]) {
      const bytes = changed('java none', (batch) => batch.writeInt32BE(length, 8));
      assert.equal(findBatchFault(bytes, 0, bytes.length)?.error, 'CORRUPT_MESSAGE');
    }
  });

  test('behind a good checksum is read or refused, never anything else', () => {
    fc.assert(
      fc.property(fc.constantFrom(...RECORDED_BATCHES), anyDamage, ({ bytes }, damage) => {
        const copy = damaged(bytes, damage);
        // The length is checked before.
        bytes.copy(copy, 8, 8, 12);
        decodesOrRefuses(() => recordsOf(copy));
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
      assert.throws(() => recordsOf(copy), KafkaWireError, `a key of ${length} bytes`);
    }
  });

  test('with fewer or more records than it says is refused', () => {
    for (const count of [24, 26, 0x7fffffff]) {
      const bytes = changed('java none', (batch) => batch.writeInt32BE(count, 57));
      assert.throws(() => recordsOf(bytes), KafkaWireError);
    }
  });
});

describe('what a producer may not send', () => {
  const refusals: readonly (readonly [string, (batch: Buffer) => void, RegExp])[] = [
    ['a batch with fewer offsets than records', (batch) => batch.writeInt32BE(23, 23), /last has number 23/],
    ['a batch without records', (batch) => batch.writeInt32BE(0, 57), /of 0 records/],
    ['control records', (batch) => (batch[22] |= 0x20), /control/],
    ['an unknown compression', (batch) => (batch[22] |= 5), /compression type 5/],
    ['a producer id without a sequence number', (batch) => batch.writeInt32BE(-1, 53), /sequence number -1/],
    [
      'a transaction without a producer id',
      (batch) => batch.fill(0xff, 43, 51).fill(0x10, 22, 23),
      /transactional/,
    ],
  ];
  for (const [title, change, text] of refusals) {
    test(`is ${title}`, () => {
      const bytes = sealed(changed('java none', change));
      const fault = findProducedFault(bytes, 0, bytes.length);
      assert.equal(fault?.error, 'INVALID_RECORD');
      assert.match(fault.text, text);
    });
  }

  test('is more than one batch', () => {
    const { bytes } = recordedBatch('java none');
    const twice = Buffer.concat([bytes, bytes]);
    assert.match(findProducedFault(twice, 0, twice.length)?.text ?? '', /exactly one/);
    assert.equal(findBatchFault(twice, bytes.length, twice.length), null);
  });

  test('is a message set of the old formats', () => {
    // As kafkajs writes them.
    for (const [magic, base64] of [
      [0, 'AAAAAAAAAAAAAAAQH+zXCgAAAAAAAWsAAAABdg=='],
      [1, '//////////8AAAAYOSaMMwEAAAABi8/laAAAAAABawAAAAF2'],
    ] as const) {
      const bytes = Buffer.from(base64, 'base64');
      const fault = findProducedFault(bytes, 0, bytes.length);
      assert.equal(fault?.error, 'INVALID_RECORD');
      assert.match(fault.text, new RegExp(`old format v${magic}`));
    }
  });
});

describe('compressed records', () => {
  test('may not be larger than the limit', () => {
    for (const { name, bytes } of RECORDED_BATCHES) {
      if (new BatchView(bytes, 0).compression === 0) continue;
      assert.throws(() => recordsOf(bytes, 50_000), KafkaWireError, name);
    }
  });

  test('that are cut off are refused, wherever that is', () => {
    for (const { name, bytes } of RECORDED_BATCHES) {
      if (new BatchView(bytes, 0).compression === 0) continue;
      for (let length = 61; length < bytes.length; length += length < 100 ? 1 : 997) {
        const cut = Buffer.from(bytes.subarray(0, length));
        cut.writeInt32BE(length - 12, 8);
        assert.throws(() => recordsOf(cut), KafkaWireError, `${name} at ${length}`);
      }
    }
  });
});

describe('the end of a transaction', () => {
  // As MemoryRecords.withEndTransactionMarker of kafka-clients 4.2.0 writes it.
  const header = '0000001cbe991a140000004200000007';
  const rest = '0030000000000000018bcfe5687b0000018bcfe5687b00000000000010920003ffffffff00000001';
  const recorded = {
    COMMIT: `${header}02e4a1e16e${rest}2000000008000000010c00000000000900`,
    ABORT: `${header}02109f3726${rest}2000000008000000000c00000000000900`,
  };
  for (const type of ['COMMIT', 'ABORT'] as const) {
    test(`is written as Kafka writes it, and read: ${type}`, () => {
      const bytes = transactionEndBatch({
        baseOffset: 123_456_789_012,
        timestampMs: 1_700_000_000_123,
        leaderEpoch: 7,
        producerId: 4242,
        producerEpoch: 3,
        isCommit: type === 'COMMIT',
        coordinatorEpoch: 9,
      });
      assert.equal(bytes.toString('hex'), recorded[type]);
      assert.equal(findBatchFault(bytes, 0, bytes.length), null);
      assert.equal(new BatchView(bytes, 0).isControl, true);
      const cursor = new RecordCursor(bytes, 0, BYTES_MAX);
      assert.ok(cursor.next());
      assert.equal(controlType(cursor), CONTROL_TYPE[type]);
      assert.equal(cursor.next(), false);
    });
  }
});
