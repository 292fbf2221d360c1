import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { verifyBatch } from '../../src/records/batch-checksum.ts';
import { placeBatch } from '../../src/records/batch-writer.ts';
import { hasProducer, isControl, isTransactional, producerIdOf } from '../../src/records/producer-fields.ts';
import { RecordCursor } from '../../src/records/record-cursor.ts';
import {
  coordinatorEpochOf,
  isAbort,
  MARKER_BATCH_BYTES,
  transactionEndBatch,
} from '../../src/records/transaction-marker.ts';

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
        timestampMs: 1_700_000_000_123,
        producerId: 4242,
        producerEpoch: 3,
        isCommit: type === 'COMMIT',
        coordinatorEpoch: 9,
      });
      placeBatch(bytes, 0, 123_456_789_012, 7);
      assert.equal(bytes.toString('hex'), recorded[type]);
      assert.equal(bytes.length, MARKER_BATCH_BYTES);
      assert.equal(verifyBatch(bytes, 0, bytes.length, true), null);
      assert.deepEqual(
        [isControl(bytes, 0), isTransactional(bytes, 0), hasProducer(bytes, 0)],
        [true, true, true],
      );
      assert.equal(producerIdOf(bytes, 0), 4242);
      assert.equal(isAbort(bytes, 0), type === 'ABORT');
      assert.equal(coordinatorEpochOf(bytes, 0), 9);
      const cursor = new RecordCursor().open(bytes, 0);
      assert.ok(cursor.next());
      cursor.readContent();
      // A version and a type; a version and the coordinator's epoch.
      assert.deepEqual([cursor.keyLength, cursor.valueLength, cursor.headerCount], [4, 6, 0]);
      assert.equal(cursor.next(), false);
      cursor.expectEnd();
    });
  }
});
