import { crc32c } from '../base/crc32c.ts';
import { KafkaWireError } from '../wire/kafka/errors.ts';
import { BATCH_HEADER_BYTES, BATCH_MAGIC } from './batch-view.ts';
import type { RecordCursor } from './record-cursor.ts';

/**
 * The record at the end of a transaction (KIP-98), alone in a batch that is marked as control and transactional:
 *
 *     key    version int16 (0) | type int16
 *     value  version int16 (0) | coordinatorEpoch int32
 */
export const CONTROL_TYPE = { ABORT: 0, COMMIT: 1 } as const;

export interface TransactionEnd {
  readonly baseOffset: number;
  readonly timestampMs: number;
  readonly leaderEpoch: number;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly isCommit: boolean;
  readonly coordinatorEpoch: number;
}

const TRANSACTIONAL_CONTROL = 0x30;
const KEY_BYTES = 4;
const NO_SEQUENCE = -1;
/** Length, attributes, deltas of time and offset, key, value, no headers; small numbers are one byte each. */
const RECORD_BYTES = 1 + 1 + 1 + 1 + (1 + KEY_BYTES) + (1 + 6) + 1;
const TWO_32 = 0x1_0000_0000;

/** The whole batch, as a log holds it. */
export function transactionEndBatch(end: TransactionEnd): Buffer {
  const batch = Buffer.alloc(BATCH_HEADER_BYTES + RECORD_BYTES);
  writeInt64(batch, 0, end.baseOffset);
  batch.writeInt32BE(batch.length - 12, 8);
  batch.writeInt32BE(end.leaderEpoch, 12);
  batch[16] = BATCH_MAGIC;
  batch.writeInt16BE(TRANSACTIONAL_CONTROL, 21);
  writeInt64(batch, 27, end.timestampMs);
  writeInt64(batch, 35, end.timestampMs);
  writeInt64(batch, 43, end.producerId);
  batch.writeInt16BE(end.producerEpoch, 51);
  batch.writeInt32BE(NO_SEQUENCE, 53);
  batch.writeInt32BE(1, 57);
  // Zigzag: twice the number.
  batch[61] = (RECORD_BYTES - 1) * 2;
  batch[65] = KEY_BYTES * 2;
  batch.writeInt16BE(end.isCommit ? CONTROL_TYPE.COMMIT : CONTROL_TYPE.ABORT, 68);
  batch[70] = 6 * 2;
  batch.writeInt32BE(end.coordinatorEpoch, 73);
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17);
  return batch;
}

function writeInt64(bytes: Buffer, at: number, value: number): void {
  bytes.writeInt32BE(Math.floor(value / TWO_32), at);
  bytes.writeInt32BE(value | 0, at + 4);
}

/** The type of the control record that the cursor is at; other types than ours are of a cluster's own affairs. */
export function controlType(cursor: RecordCursor): number {
  if (cursor.keyLength < KEY_BYTES) {
    throw new KafkaWireError(`control record at offset ${cursor.offset}: a key of ${cursor.keyLength} bytes`);
  }
  return cursor.bytes.readInt16BE(cursor.keyStart + 2);
}
