import { crc32c } from '../base/crc32c.ts';
import type { ErrorName } from '../wire/kafka/error-codes.ts';
import { COMPRESSION } from './compression/compression.ts';

/**
 * Record batches of format v2 (KIP-98), as they are on the wire. Big-endian:
 *
 *      0  baseOffset            int64   assigned by the broker
 *      8  batchLength           int32   the bytes from here on: the whole batch has 12 more
 *     12  partitionLeaderEpoch  int32   assigned by the broker
 *     16  magic                 int8    2
 *     17  crc                   uint32  CRC-32C of everything from `attributes` to the end
 *     21  attributes            int16   bits 0-2 compression, 3 log-append time, 4 transactional, 5 control,
 *                                       6 has a delete horizon
 *     23  lastOffsetDelta       int32
 *     27  baseTimestamp         int64   milliseconds
 *     35  maxTimestamp          int64
 *     43  producerId            int64   -1: no idempotent producer
 *     51  producerEpoch         int16
 *     53  baseSequence          int32
 *     57  recordCount           int32
 *     61  records, compressed or not: see record-cursor.ts
 *
 * Message sets of the formats v0 and v1 have their magic byte at the same place, and so can be told apart.
 */
export const BATCH_HEADER_BYTES = 61;
export const BATCH_MAGIC = 2;
const MAGIC_AT = 16;
const CRC_AT = 17;
const CRC_START = 21;
/** `batchLength` counts what comes after itself. */
const LENGTH_OVERHEAD = 12;
const COMPRESSION_MASK = 0x07;
const LOG_APPEND_TIME = 0x08;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;
const TWO_32 = 0x1_0000_0000;
/** Length, attributes, two deltas, lengths of key and value, number of headers: a byte each. */
const RECORD_BYTES_MIN = 7;
/** No batch that anybody makes is larger when it is opened. */
const OPENED_BYTES_MAX = 64 * 1024 * 1024;

/** What is wrong with a batch: the error that the protocol has for it, and words. */
export interface BatchFault {
  readonly error: ErrorName;
  readonly text: string;
}

/** A view of the header at `at`, which it believes: see `findBatchFault`. May be moved from batch to batch. */
export class BatchView {
  bytes: Buffer;
  at: number;

  constructor(bytes: Buffer, at: number) {
    this.bytes = bytes;
    this.at = at;
  }

  moveTo(bytes: Buffer, at: number): void {
    this.bytes = bytes;
    this.at = at;
  }

  get baseOffset(): number {
    return this.#int64(0);
  }
  /** Of the whole batch, header included. */
  get byteLength(): number {
    return batchBytes(this.bytes, this.at);
  }
  get end(): number {
    return this.at + this.byteLength;
  }
  get leaderEpoch(): number {
    return this.bytes.readInt32BE(this.at + 12);
  }
  get magic(): number {
    return this.bytes[this.at + MAGIC_AT];
  }
  get crc(): number {
    return this.bytes.readUInt32BE(this.at + CRC_AT);
  }
  get attributes(): number {
    return this.bytes.readInt16BE(this.at + 21);
  }
  get compression(): number {
    return this.bytes[this.at + 22] & COMPRESSION_MASK;
  }
  get isLogAppendTime(): boolean {
    return (this.bytes[this.at + 22] & LOG_APPEND_TIME) !== 0;
  }
  get isTransactional(): boolean {
    return (this.bytes[this.at + 22] & TRANSACTIONAL) !== 0;
  }
  get isControl(): boolean {
    return (this.bytes[this.at + 22] & CONTROL) !== 0;
  }
  get lastOffsetDelta(): number {
    return this.bytes.readInt32BE(this.at + 23);
  }
  get lastOffset(): number {
    return this.baseOffset + this.lastOffsetDelta;
  }
  get baseTimestampMs(): number {
    return this.#int64(27);
  }
  get maxTimestampMs(): number {
    return this.#int64(35);
  }
  get producerId(): number {
    return this.#int64(43);
  }
  get producerEpoch(): number {
    return this.bytes.readInt16BE(this.at + 51);
  }
  get baseSequence(): number {
    return this.bytes.readInt32BE(this.at + 53);
  }
  get recordCount(): number {
    return this.bytes.readInt32BE(this.at + 57);
  }

  #int64(offset: number): number {
    const at = this.at + offset;
    return this.bytes.readInt32BE(at) * TWO_32 + this.bytes.readUInt32BE(at + 4);
  }
}

/** The size of the batch at `at`, from its first 12 bytes; nonsense is possible. */
export function batchBytes(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at + 8) + LENGTH_OVERHEAD;
}

/** Whether a whole, undamaged batch lies at `at`, and ends at or before `end`. Its records are not looked at. */
export function findBatchFault(bytes: Buffer, at: number, end: number): BatchFault | null {
  if (end - at <= MAGIC_AT) return corrupt(`${end - at} bytes are too few for a record batch`);
  const magic = bytes[at + MAGIC_AT];
  if (magic < BATCH_MAGIC) {
    return invalid(
      `messages of the old format v${magic}: record batches of format v${BATCH_MAGIC} are needed`,
    );
  }
  if (magic > BATCH_MAGIC) return corrupt(`magic byte ${magic} instead of ${BATCH_MAGIC}`);
  const length = batchBytes(bytes, at);
  if (length < BATCH_HEADER_BYTES) return corrupt(`impossible batch length ${length}`);
  if (length > end - at) return corrupt(`a batch of ${length} bytes where only ${end - at} are left`);
  const stored = bytes.readUInt32BE(at + CRC_AT);
  const found = crc32c(bytes.subarray(at + CRC_START, at + length));
  return stored === found ? null : corrupt(`checksum ${hex(found)} instead of ${hex(stored)}`);
}

/**
 * What a producer may send for a partition: exactly one batch, with as many records as it has offsets, and no control
 * records, which only brokers write. Gives the fault that Kafka would find, null if there is none.
 */
export function findProducedFault(bytes: Buffer, start: number, end: number): BatchFault | null {
  const fault = findBatchFault(bytes, start, end);
  if (fault !== null) return fault;
  const batch = new BatchView(bytes, start);
  if (batch.end !== end) return invalid('exactly one record batch is allowed for each partition');
  if (batch.recordCount <= 0) return invalid(`a batch of ${batch.recordCount} records`);
  if (batch.lastOffsetDelta !== batch.recordCount - 1) {
    return invalid(`a batch of ${batch.recordCount} records whose last has number ${batch.lastOffsetDelta}`);
  }
  const bytesMax =
    batch.compression === COMPRESSION.none ? end - start - BATCH_HEADER_BYTES : OPENED_BYTES_MAX;
  if (batch.recordCount * RECORD_BYTES_MIN > bytesMax) {
    return invalid(`a batch of ${batch.recordCount} records in ${end - start} bytes`);
  }
  if (batch.isControl) return invalid('clients may not write control records');
  if (batch.producerId >= 0 && batch.baseSequence < 0) {
    return invalid(`sequence number ${batch.baseSequence} in a batch of producer ${batch.producerId}`);
  }
  if (batch.producerId < 0 && batch.isTransactional) {
    return invalid('a transactional batch without a producer id');
  }
  if (batch.compression > COMPRESSION.zstd)
    return invalid(`compression type ${batch.compression} does not exist`);
  return null;
}

function corrupt(text: string): BatchFault {
  return { error: 'CORRUPT_MESSAGE', text };
}

function invalid(text: string): BatchFault {
  return { error: 'INVALID_RECORD', text };
}

function hex(crc: number): string {
  return `0x${crc.toString(16).padStart(8, '0')}`;
}
