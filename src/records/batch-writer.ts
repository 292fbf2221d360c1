import { writeChecksum, writeOffsetCheck } from './batch-checksum.ts';
import {
  ATTRIBUTES_AT,
  BASE_OFFSET_AT,
  BASE_SEQUENCE_AT,
  BASE_TIMESTAMP_AT,
  BATCH_HEADER_BYTES,
  BATCH_LENGTH_AT,
  BATCH_MAGIC,
  HAS_FOREIGN_ENVELOPE,
  LAST_OFFSET_DELTA_AT,
  LEADER_EPOCH_AT,
  LENGTH_OVERHEAD_BYTES,
  LOG_APPEND_TIME,
  MAGIC_AT,
  MAX_TIMESTAMP_AT,
  NO_SEQUENCE,
  NO_TIMESTAMP,
  PRODUCER_ID_AT,
  RECORD_COUNT_AT,
  writeInt64,
} from './batch-layout.ts';
import { batchBytes } from './batch-view.ts';

/** Writes the header of the batch that `batch` is, of no producer, without its checksum. Timestamps in milliseconds. */
export function writeBatchHeader(
  batch: Buffer,
  attributes: number,
  baseOffset: number,
  lastOffset: number,
  baseTimestampMs: number,
  maxTimestampMs: number,
  recordCount: number,
): void {
  writeInt64(batch, BASE_OFFSET_AT, baseOffset);
  batch.writeInt32BE(batch.length - LENGTH_OVERHEAD_BYTES, BATCH_LENGTH_AT);
  batch.writeInt32BE(0, LEADER_EPOCH_AT);
  batch[MAGIC_AT] = BATCH_MAGIC;
  batch.writeInt16BE(attributes, ATTRIBUTES_AT);
  batch.writeInt32BE(lastOffset - baseOffset, LAST_OFFSET_DELTA_AT);
  writeInt64(batch, BASE_TIMESTAMP_AT, baseTimestampMs);
  writeInt64(batch, MAX_TIMESTAMP_AT, maxTimestampMs);
  batch.fill(0xff, PRODUCER_ID_AT, BASE_SEQUENCE_AT); // id and epoch are -1
  batch.writeInt32BE(NO_SEQUENCE, BASE_SEQUENCE_AT);
  batch.writeInt32BE(recordCount, RECORD_COUNT_AT);
}

/**
 * A batch without records that stands for the offsets [from, to) in exactly `bytes` bytes: what `sluice doctor` puts
 * where a corrupt one was, so that everything after it stays where it is. Kafka has empty batches too.
 */
export function blankBatch(from: number, to: number, bytes: number): Buffer {
  const batch = Buffer.alloc(bytes);
  writeBatchHeader(batch, 0, from, Math.max(from, to - 1), NO_TIMESTAMP, NO_TIMESTAMP, 0);
  writeOffsetCheck(batch, 0);
  writeChecksum(batch, 0, bytes);
  return batch;
}

/** What a broker writes into a producer's batch at `at` when it appends it; the checksum does not cover it. */
export function placeBatch(buffer: Buffer, at: number, baseOffset: number, leaderEpoch: number): void {
  writeInt64(buffer, at + BASE_OFFSET_AT, baseOffset);
  buffer.writeInt32BE(leaderEpoch, at + LEADER_EPOCH_AT);
}

/** Gives the batch at `at` the time at which it was appended (`message.timestamp.type=LogAppendTime`). */
export function stampBatch(buffer: Buffer, at: number, timestampMs: number): void {
  buffer.writeInt16BE(buffer.readInt16BE(at + ATTRIBUTES_AT) | LOG_APPEND_TIME, at + ATTRIBUTES_AT);
  writeInt64(buffer, at + MAX_TIMESTAMP_AT, timestampMs);
  writeChecksum(buffer, at, at + batchBytes(buffer, at));
}

/** Says of the batch at `at`, and with its checksum, that a client wrote what its records have as envelopes. */
export function markForeignEnvelope(buffer: Buffer, at: number): void {
  buffer.writeInt16BE(buffer.readInt16BE(at + ATTRIBUTES_AT) | HAS_FOREIGN_ENVELOPE, at + ATTRIBUTES_AT);
  writeChecksum(buffer, at, at + batchBytes(buffer, at));
}

/** The fields of a header that other records may need; those that are left out stay. */
export interface HeaderChanges {
  readonly attributes: number;
  readonly baseTimestampMs?: number;
  readonly maxTimestampMs?: number;
  readonly recordCount?: number;
}

/**
 * A copy of the batch at `at` in `original` with other records (compressed already, if `changes.attributes` says so),
 * for the same offsets and of the same producer.
 */
export function withRecords(
  original: Buffer,
  at: number,
  records: Buffer,
  { attributes, baseTimestampMs, maxTimestampMs, recordCount }: HeaderChanges,
): Buffer {
  const batch = Buffer.allocUnsafe(BATCH_HEADER_BYTES + records.length);
  original.copy(batch, 0, at, at + BATCH_HEADER_BYTES);
  records.copy(batch, BATCH_HEADER_BYTES);
  batch.writeInt32BE(batch.length - LENGTH_OVERHEAD_BYTES, BATCH_LENGTH_AT);
  batch.writeInt16BE(attributes, ATTRIBUTES_AT);
  if (baseTimestampMs !== undefined) writeInt64(batch, BASE_TIMESTAMP_AT, baseTimestampMs);
  if (maxTimestampMs !== undefined) writeInt64(batch, MAX_TIMESTAMP_AT, maxTimestampMs);
  if (recordCount !== undefined) batch.writeInt32BE(recordCount, RECORD_COUNT_AT);
  writeChecksum(batch, 0, batch.length);
  return batch;
}
