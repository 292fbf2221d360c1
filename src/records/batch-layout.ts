/**
 * Record batches in Kafka's format v2 (KIP-98; the "Record Batch" page of Kafka's protocol guide). Big-endian:
 *
 *     0             8        12       16 17       21     23           27
 *     +-------------+--------+--------+--+--------+------+------------+
 *     | baseOffset  | batch  | leader |m | crc    | attri| lastOffset |
 *     | int64       | Length | Epoch  |a | uint32 | butes| Delta      |
 *     |             | int32  | int32  |g |        | int16| int32      |
 *     +-------------+--------+--------+--+--------+------+------------+
 *     27              35             43           51     53           57       61
 *     +---------------+--------------+------------+------+------------+--------+---------
 *     | baseTimestamp | maxTimestamp | producerId | prod.| base       | record | record*
 *     | int64 ms      | int64 ms     | int64      | Epoch| Sequence   | Count  |
 *     |               |              |            | int16| int32      | int32  |
 *     +---------------+--------------+------------+------+------------+--------+---------
 *
 *     batchLength  the bytes behind itself: the whole batch has 12 more
 *     magic        int8, 2. Message sets of the formats v0 and v1 have theirs at the same place
 *     crc          CRC-32C of everything from `attributes` to the end: base offset and leader epoch, which brokers
 *                  assign, are not covered
 *     attributes   bits 0-2 compression (compression.ts), 3 log-append time, 4 transactional, 5 control,
 *                  6 has a delete horizon (KIP-534); 14, of our own: has a foreign envelope. The others are unused
 *     producerId   -1 without an idempotent producer; then epoch and sequence are -1 too (but see batch-checksum.ts)
 *     record*      compressed together or not: see record-cursor.ts
 *
 * The offsets of a batch may have gaps, as they have after compaction.
 */
export const BASE_OFFSET_AT = 0;
export const BATCH_LENGTH_AT = 8;
export const LEADER_EPOCH_AT = 12;
export const MAGIC_AT = 16;
export const CRC_AT = 17;
export const ATTRIBUTES_AT = 21;
/** The low byte of the attributes, which has all bits that have a meaning for Kafka. */
export const ATTRIBUTE_BITS_AT = 22;
export const LAST_OFFSET_DELTA_AT = 23;
export const BASE_TIMESTAMP_AT = 27;
export const MAX_TIMESTAMP_AT = 35;
export const PRODUCER_ID_AT = 43;
export const PRODUCER_EPOCH_AT = 51;
export const BASE_SEQUENCE_AT = 53;
export const RECORD_COUNT_AT = 57;
export const BATCH_HEADER_BYTES = 61;
/** So many bytes say which format it is: up to the magic byte, v0 and v1 have fields of the same sizes. */
export const COMMON_HEADER_BYTES = 17;

export const BATCH_MAGIC = 2;
/** The bytes up to and with `batchLength`, which that does not count. */
export const LENGTH_OVERHEAD_BYTES = 12;

export const COMPRESSION_MASK = 0x07;
/** The records have the batch's maximum timestamp, when it was appended, as theirs. */
export const LOG_APPEND_TIME = 0x08;
export const TRANSACTIONAL = 0x10;
export const CONTROL = 0x20;
/** The base timestamp is the time from which on records without a value may be removed (KIP-534). */
export const HAS_DELETE_HORIZON = 0x40;

/**
 * A client wrote a record of the batch with the header in which the broker keeps a message (record-content.ts): it counts
 * as any other header. A bit of ours, which clients pass over, in the high byte of the attributes.
 */
export const HAS_FOREIGN_ENVELOPE = 0x4000;

export const NO_TIMESTAMP = -1;
export const NO_SEQUENCE = -1;

const TWO_32 = 0x1_0000_0000;

/** An int64 in big-endian; beyond 2^53 the nearest number. */
export function readInt64(buffer: Buffer, at: number): number {
  return buffer.readInt32BE(at) * TWO_32 + buffer.readUInt32BE(at + 4);
}

export function writeInt64(buffer: Buffer, at: number, value: number): void {
  const high = Math.floor(value / TWO_32);
  buffer.writeInt32BE(high, at);
  buffer.writeUInt32BE(value - high * TWO_32, at + 4);
}
