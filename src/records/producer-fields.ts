import { crc32c } from '../base/crc32c.ts';
import { BATCH_HEADER_BYTES, BATCH_MAGIC } from './record-batch.ts';

/**
 * What a record batch says of its producer, and the batch that ends a transaction: see record-batch.ts for the layout
 * of the header. All of these take the position of the batch's first byte, and believe what is there.
 */
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;
const TWO_32 = 0x1_0000_0000;

/** Whether a batch has a producer that numbers its records. */
export function hasProducer(bytes: Buffer, at: number): boolean {
  return bytes.readInt32BE(at + 43) >= 0;
}

export function producerIdOf(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at + 43) * TWO_32 + bytes.readUInt32BE(at + 47);
}

export function producerEpochOf(bytes: Buffer, at: number): number {
  return bytes.readInt16BE(at + 51);
}

export function firstSequenceOf(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at + 53);
}

export function lastOffsetDeltaOf(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at + 23);
}

export function maxTimestampMsOf(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at + 35) * TWO_32 + bytes.readUInt32BE(at + 39);
}

export function isTransactional(bytes: Buffer, at: number): boolean {
  return ((bytes[at + 22] as number) & TRANSACTIONAL) !== 0;
}

export function isControl(bytes: Buffer, at: number): boolean {
  return ((bytes[at + 22] as number) & CONTROL) !== 0;
}

/**
 * A transaction ends with a record of its own (KIP-98), alone in a batch that is marked as control and transactional:
 *
 *     61  length 8-bit varint | attributes | timestampDelta | offsetDelta, one byte each
 *     65  key length varint   | version int16 (0) | type int16: 0 aborted, 1 committed
 *     70  value length varint | version int16 (0) | coordinatorEpoch int32
 *     77  number of headers varint
 */
const RECORD_BYTES = 17;
export const END_BATCH_BYTES = BATCH_HEADER_BYTES + RECORD_BYTES;
const END_TYPE_AT = 68;
const COORDINATOR_EPOCH_AT = 73;
const ABORTED = 0;
const COMMITTED = 1;

export interface TransactionEnd {
  readonly timestampMs: number;
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly isCommit: boolean;
  readonly coordinatorEpoch: number;
}

/** Base offset and leader epoch are left to whoever appends it. */
export function transactionEndBatch(end: TransactionEnd): Buffer {
  const batch = Buffer.alloc(END_BATCH_BYTES);
  batch.writeInt32BE(END_BATCH_BYTES - 12, 8);
  batch[16] = BATCH_MAGIC;
  batch.writeInt16BE(TRANSACTIONAL | CONTROL, 21);
  writeInt64(batch, 27, end.timestampMs);
  writeInt64(batch, 35, end.timestampMs);
  writeInt64(batch, 43, end.producerId);
  batch.writeInt16BE(end.producerEpoch, 51);
  batch.writeInt32BE(-1, 53);
  batch.writeInt32BE(1, 57);
  // Lengths are in zigzag: twice the number.
  batch[61] = (RECORD_BYTES - 1) * 2;
  batch[65] = 4 * 2;
  batch.writeInt16BE(end.isCommit ? COMMITTED : ABORTED, END_TYPE_AT);
  batch[70] = 6 * 2;
  batch.writeInt32BE(end.coordinatorEpoch, COORDINATOR_EPOCH_AT);
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17);
  return batch;
}

/** Whether the control batch, which is one of ours, ends its transaction as aborted. */
export function isAbort(bytes: Buffer, at: number): boolean {
  return bytes.readInt16BE(at + END_TYPE_AT) === ABORTED;
}

export function coordinatorEpochOf(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at + COORDINATOR_EPOCH_AT);
}

function writeInt64(bytes: Buffer, at: number, value: number): void {
  bytes.writeInt32BE(Math.floor(value / TWO_32), at);
  bytes.writeUInt32BE(((value % TWO_32) + TWO_32) % TWO_32, at + 4);
}
