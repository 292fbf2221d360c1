import { writeChecksum } from './batch-checksum.ts';
import {
  BATCH_HEADER_BYTES,
  CONTROL,
  PRODUCER_EPOCH_AT,
  PRODUCER_ID_AT,
  TRANSACTIONAL,
  writeInt64,
} from './batch-layout.ts';
import { writeBatchHeader } from './batch-writer.ts';

/*
 * A transaction ends with a marker (KIP-98): a control record, alone in a batch that is marked as control and
 * transactional. Positions are from the batch's first byte:
 *
 *     61       62           63               64            65
 *     +--------+------------+----------------+-------------+
 *     | length | attributes | timestampDelta | offsetDelta |
 *     +--------+------------+----------------+-------------+
 *     65          66            68                  70            71            73                 77       78
 *     +-----------+-------------+-------------------+-------------+-------------+------------------+--------+
 *     | keyLength | version     | type int16        | valueLength | version     | coordinatorEpoch | header |
 *     |           | int16, 0    | 0 abort, 1 commit |             | int16, 0    | int32            | count  |
 *     +-----------+-------------+-------------------+-------------+-------------+------------------+--------+
 */
const RECORD_AT = BATCH_HEADER_BYTES;
const RECORD_BYTES = 17;
const KEY_LENGTH_AT = RECORD_AT + 4;
const KEY_BYTES = 4;
const TYPE_AT = RECORD_AT + 7;
const VALUE_LENGTH_AT = RECORD_AT + 9;
const VALUE_BYTES = 6;
const COORDINATOR_EPOCH_AT = RECORD_AT + 12;
const ABORT = 0;
const COMMIT = 1;

export const MARKER_BATCH_BYTES = BATCH_HEADER_BYTES + RECORD_BYTES;

export interface TransactionEnd {
  readonly timestampMs: number;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly isCommit: boolean;
  readonly coordinatorEpoch: number;
}

/** The batch with the marker. Base offset and leader epoch are left to whoever appends it. */
export function transactionEndBatch(end: TransactionEnd): Buffer {
  const batch = Buffer.alloc(MARKER_BATCH_BYTES);
  writeBatchHeader(batch, TRANSACTIONAL | CONTROL, 0, 0, end.timestampMs, end.timestampMs, 1);
  writeInt64(batch, PRODUCER_ID_AT, end.producerId);
  batch.writeInt16BE(end.producerEpoch, PRODUCER_EPOCH_AT);
  // Lengths are zigzag varints of one byte: twice the number.
  batch[RECORD_AT] = (RECORD_BYTES - 1) * 2;
  batch[KEY_LENGTH_AT] = KEY_BYTES * 2;
  batch.writeInt16BE(end.isCommit ? COMMIT : ABORT, TYPE_AT);
  batch[VALUE_LENGTH_AT] = VALUE_BYTES * 2;
  batch.writeInt32BE(end.coordinatorEpoch, COORDINATOR_EPOCH_AT);
  writeChecksum(batch, 0, batch.length);
  return batch;
}

/** Whether the control batch at `at`, which `transactionEndBatch` made, ends its transaction as aborted. */
export function isAbort(bytes: Buffer, at: number): boolean {
  return bytes.readInt16BE(at + TYPE_AT) === ABORT;
}

export function coordinatorEpochOf(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at + COORDINATOR_EPOCH_AT);
}
