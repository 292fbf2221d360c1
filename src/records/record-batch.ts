import { crc32c } from '../base/crc32c.ts';
import type { MessageView } from './message-view.ts';
import { readVarint, varintEnd, varintLength, writeVarint } from './record-content.ts';

/**
 * Record batches in Kafka's format v2 (KIP-98; the "Record Batch" page of Kafka's protocol guide). Big-endian:
 *
 *      0  baseOffset            int64
 *      8  batchLength           int32   the bytes from here on: the whole batch has 12 more
 *     12  partitionLeaderEpoch  int32   0
 *     16  magic                 int8    2
 *     17  crc                   uint32  CRC-32C of everything from `attributes` to the end
 *     21  attributes            int16   bits 0-2 compression, 3 log-append time, 4 transactional, 5 control
 *     23  lastOffsetDelta       int32
 *     27  baseTimestamp         int64   milliseconds, of the first record
 *     35  maxTimestamp          int64
 *     43  producerId            int64   -1: no idempotent producer
 *     51  producerEpoch         int16   -1
 *     53  baseSequence          int32   -1; ours: a check on baseOffset, see below
 *     57  recordCount           int32
 *     61  record*
 *
 *     record = length zigzag-varint | attributes int8 | timestampDelta zigzag-varlong | offsetDelta zigzag-varint
 *            | content (see record-content.ts)
 *
 * The offsets of a batch may have gaps, as they have after compaction.
 *
 * The format's checksum does not cover baseOffset, because a Kafka broker assigns it after the producer has computed
 * the checksum. Where offsets are dense, a damaged one shows; in a queue's log, with gaps wherever messages were
 * consumed before they were written out, it would not. Batches that we make therefore carry 31 bits of a CRC-32C of
 * their baseOffset in baseSequence, which has no meaning without a producer id, so that Kafka's tools and clients pass
 * over it. Batches from producers are stored with what they have there.
 */

export const BATCH_HEADER_BYTES = 61;
export const BATCH_MAGIC = 2;
/** `batchLength` counts what comes after itself. */
const LENGTH_OVERHEAD = 12;
const CRC_START = 21;
const COMPRESSION_MASK = 0x07;
const MAX_INT32 = 0x7fffffff;
const TWO_32 = 0x1_0000_0000;
/** What one record takes at most besides its content: length 5, attributes 1, timestamp 10, offset 5. */
export const RECORD_OVERHEAD_MAX = 21;
const NO_TIMESTAMP = -1;

export interface BatchHeader {
  /** Of the whole batch, header included. */
  readonly bytes: number;
  readonly baseOffset: number;
  /** Of the last record that the batch was made with. */
  readonly lastOffset: number;
  readonly leaderEpoch: number;
  readonly magic: number;
  readonly crc: number;
  readonly attributes: number;
  readonly baseTimestampMs: number;
  readonly maxTimestampMs: number;
  readonly recordCount: number;
}

/** `contentStart` and `contentLength` are positions in `buffer`. */
export type RecordVisitor = (
  offset: number,
  timestampMs: number,
  buffer: Buffer,
  contentStart: number,
  contentLength: number,
) => void;

/** What is wrong with a batch, in words for a message; null if nothing is. */
export type BatchFault = string | null;

export function readInt64(buffer: Buffer, at: number): number {
  return buffer.readInt32BE(at) * TWO_32 + buffer.readUInt32BE(at + 4);
}

export function writeInt64(buffer: Buffer, at: number, value: number): void {
  buffer.writeInt32BE(Math.floor(value / TWO_32), at);
  buffer.writeUInt32BE(((value % TWO_32) + TWO_32) % TWO_32, at + 4);
}

/** Zigzag for integers beyond 32 bits; such numbers are timestamps, within ±2^52. */
export function writeVarlong(target: Buffer, at: number, value: number): number {
  let zigzag = value < 0 ? -2 * value - 1 : 2 * value;
  while (zigzag > 0x7f) {
    target[at++] = (zigzag % 0x80) | 0x80;
    zigzag = Math.floor(zigzag / 0x80);
  }
  target[at++] = zigzag;
  return at;
}

export function varlongLength(value: number): number {
  let zigzag = value < 0 ? -2 * value - 1 : 2 * value;
  let length = 1;
  while (zigzag > 0x7f) {
    zigzag = Math.floor(zigzag / 0x80);
    length++;
  }
  return length;
}

export function varlongEnd(source: Buffer, at: number): number {
  const limit = at + 9;
  while (at < limit && source[at] > 0x7f) at++;
  return at + 1;
}

export function readVarlong(source: Buffer, at: number): number {
  const end = varlongEnd(source, at);
  if (end - at <= 4) return readVarint(source, at);
  let zigzag = 0;
  for (let index = end - 1; index >= at; index--) zigzag = zigzag * 0x80 + (source[index] & 0x7f);
  return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
}

/**
 * Gathers records into one batch at a time, in one buffer that is used again for each:
 * `begin`, `append` until it says no, `finish`, write the result, and from the start.
 */
export class RecordBatchBuilder {
  readonly #own: Buffer;
  #buffer: Buffer;
  #at = BATCH_HEADER_BYTES;
  #count = 0;
  #baseOffset = 0;
  #lastOffset = 0;
  #baseTimestampMs = 0;
  #maxTimestampMs = 0;

  constructor(capacityBytes: number) {
    this.#own = Buffer.allocUnsafeSlow(Math.max(capacityBytes, BATCH_HEADER_BYTES + RECORD_OVERHEAD_MAX));
    this.#buffer = this.#own;
  }

  get recordCount(): number {
    return this.#count;
  }

  /** What `finish` would give now. */
  get bytes(): number {
    return this.#at;
  }

  begin(): void {
    this.#buffer = this.#own;
    this.#at = BATCH_HEADER_BYTES;
    this.#count = 0;
  }

  /**
   * False if the batch is full: finish it and append to the next. The first record of a batch always fits, however
   * large it is. Offsets must increase; they may leave gaps.
   */
  append(
    offset: number,
    timestampMs: number,
    source: Buffer,
    contentStart: number,
    contentLength: number,
  ): boolean {
    const at = this.#beginRecord(offset, timestampMs, contentLength);
    if (at < 0) return false;
    source.copy(this.#buffer, at, contentStart, contentStart + contentLength);
    return true;
  }

  /** Whether the batch takes one more record with a content of so many bytes. */
  hasRoomFor(contentLength: number): boolean {
    return this.#count === 0 || this.#at + RECORD_OVERHEAD_MAX + contentLength <= this.#buffer.length;
  }

  /** A record with the offset after the last one, from 0 on; there must be room for it. */
  appendParts(timestampMs: number, messageView: MessageView, contentLength: number): void {
    const at = this.#beginRecord(this.#count, timestampMs, contentLength);
    if (at < 0) throw new RangeError('the batch is full');
    messageView.write(this.#buffer, at);
  }

  /** Where the content of the next record is to be written; -1 if the batch is full. */
  #beginRecord(offset: number, timestampMs: number, contentLength: number): number {
    if (this.#count === 0) {
      this.#baseOffset = offset;
      this.#baseTimestampMs = timestampMs;
      this.#maxTimestampMs = timestampMs;
      const needed = BATCH_HEADER_BYTES + RECORD_OVERHEAD_MAX + contentLength;
      if (needed > this.#own.length) this.#buffer = Buffer.allocUnsafeSlow(needed);
    } else if (offset <= this.#lastOffset) {
      throw new RangeError(`offset ${offset} after ${this.#lastOffset}: offsets in a batch must increase`);
    }
    const offsetDelta = offset - this.#baseOffset;
    if (offsetDelta > MAX_INT32) return -1;
    const timestampDelta = timestampMs - this.#baseTimestampMs;
    const length = 1 + varlongLength(timestampDelta) + varintLength(offsetDelta) + contentLength;
    const buffer = this.#buffer;
    let at = this.#at;
    if (at + varintLength(length) + length > buffer.length) return -1;

    at = writeVarint(buffer, at, length);
    buffer[at++] = 0;
    at = writeVarlong(buffer, at, timestampDelta);
    at = writeVarint(buffer, at, offsetDelta);
    this.#at = at + contentLength;
    this.#count++;
    this.#lastOffset = offset;
    if (timestampMs > this.#maxTimestampMs) this.#maxTimestampMs = timestampMs;
    return at;
  }

  /** The finished batch: a view of the builder's memory, good until the next `begin`. */
  finish(): Buffer {
    const batch = this.#finished();
    sealBatch(
      batch,
      this.#baseOffset,
      this.#lastOffset,
      this.#baseTimestampMs,
      this.#maxTimestampMs,
      this.#count,
    );
    return batch;
  }

  /** As `finish`, for a stream: with nothing in it that a producer's batch would not have. */
  finishPlain(attributes: number): Buffer {
    const batch = this.finish();
    batch.writeInt16BE(attributes, 21);
    batch.writeInt32BE(-1, 53);
    batch.writeUInt32BE(crc32c(batch.subarray(CRC_START)), 17);
    return batch;
  }

  #finished(): Buffer {
    if (this.#count === 0) throw new RangeError('a batch needs at least one record');
    return this.#buffer.subarray(0, this.#at);
  }
}

function offsetCheck(buffer: Buffer, at: number): number {
  return crc32c(buffer.subarray(at, at + 8)) & MAX_INT32;
}

function sealBatch(
  batch: Buffer,
  baseOffset: number,
  lastOffset: number,
  baseTimestampMs: number,
  maxTimestampMs: number,
  recordCount: number,
): void {
  writeInt64(batch, 0, baseOffset);
  batch.writeInt32BE(batch.length - LENGTH_OVERHEAD, 8);
  batch.writeInt32BE(0, 12);
  batch[16] = BATCH_MAGIC;
  batch.writeInt16BE(0, 21);
  batch.writeInt32BE(lastOffset - baseOffset, 23);
  writeInt64(batch, 27, baseTimestampMs);
  writeInt64(batch, 35, maxTimestampMs);
  batch.fill(0xff, 43, 53); // no producer: id and epoch are -1
  batch.writeInt32BE(offsetCheck(batch, 0), 53);
  batch.writeInt32BE(recordCount, 57);
  batch.writeUInt32BE(crc32c(batch.subarray(CRC_START)), 17);
}

/**
 * A batch without records that stands for the offsets [from, to) in exactly `bytes` bytes: what `sluice doctor` puts
 * where a damaged one was, so that everything after it stays where it is. Kafka has empty batches too.
 */
export function blankBatch(from: number, to: number, bytes: number): Buffer {
  const batch = Buffer.alloc(bytes);
  sealBatch(batch, from, Math.max(from, to - 1), NO_TIMESTAMP, NO_TIMESTAMP, 0);
  return batch;
}

/** What a broker writes into a producer's batch; the checksum does not cover it. */
export function placeBatch(buffer: Buffer, at: number, baseOffset: number, leaderEpoch: number): void {
  writeInt64(buffer, at, baseOffset);
  buffer.writeInt32BE(leaderEpoch, at + 12);
}

/** Bit of a batch's attributes: its timestamp is when it was appended, and counts for all of its records. */
export const LOG_APPEND_TIME = 0x08;

/** Gives a batch the time at which it was appended. */
export function stampBatch(buffer: Buffer, at: number, timestampMs: number): void {
  buffer.writeInt16BE(buffer.readInt16BE(at + 21) | LOG_APPEND_TIME, at + 21);
  writeInt64(buffer, at + 35, timestampMs);
  buffer.writeUInt32BE(crc32c(buffer.subarray(at + CRC_START, at + batchBytes(buffer, at))), at + 17);
}

/** The size of the batch that starts at `at`, from its first 12 bytes; nonsense is possible and must be checked. */
export function batchBytes(buffer: Buffer, at: number): number {
  return buffer.readInt32BE(at + 8) + LENGTH_OVERHEAD;
}

/** Whether the records of a batch with these attributes have to be unpacked before they can be visited. */
export function isCompressed(attributes: number): boolean {
  return (attributes & COMPRESSION_MASK) !== 0;
}

/** Needs the 61 bytes of the header at `at`, and believes them: see `verifyBatch`. */
export function readBatchHeader(buffer: Buffer, at: number): BatchHeader {
  const baseOffset = readInt64(buffer, at);
  return {
    bytes: batchBytes(buffer, at),
    baseOffset,
    lastOffset: baseOffset + buffer.readInt32BE(at + 23),
    leaderEpoch: buffer.readInt32BE(at + 12),
    magic: buffer[at + 16],
    crc: buffer.readUInt32BE(at + 17),
    attributes: buffer.readInt16BE(at + 21),
    baseTimestampMs: readInt64(buffer, at + 27),
    maxTimestampMs: readInt64(buffer, at + 35),
    recordCount: buffer.readInt32BE(at + 57),
  };
}

/**
 * Whether a whole, undamaged batch lies at `at` and ends at or before `end`. Gives the fault, null if there is none.
 * `isForeign`: it may be a producer's, which may have anything where our check on the base offset is.
 */
export function verifyBatch(buffer: Buffer, at: number, end: number, isForeign = false): BatchFault {
  if (end - at < BATCH_HEADER_BYTES) return `${end - at} bytes are too few for a record batch`;
  const bytes = batchBytes(buffer, at);
  if (bytes < BATCH_HEADER_BYTES) return `impossible batch length ${bytes}`;
  if (bytes > end - at) return `a batch of ${bytes} bytes where only ${end - at} are left`;
  if (buffer[at + 16] !== BATCH_MAGIC) return `magic byte ${buffer[at + 16]} instead of ${BATCH_MAGIC}`;
  const stored = buffer.readUInt32BE(at + 17);
  const found = crc32c(buffer.subarray(at + CRC_START, at + bytes));
  if (stored !== found) return `checksum ${hex(found)} instead of ${hex(stored)}`;
  if (!isForeign && isOurs(buffer, at)) {
    if (buffer.readInt32BE(at + 53) !== offsetCheck(buffer, at)) return 'a base offset that fails its check';
    if (buffer.readInt32BE(at + 12) !== 0) return `leader epoch ${buffer.readInt32BE(at + 12)} instead of 0`;
  }
  return null;
}

/** A sequence number without a producer id: our check on the base offset. */
function isOurs(buffer: Buffer, at: number): boolean {
  return (
    buffer.readInt32BE(at + 43) === -1 &&
    buffer.readInt32BE(at + 47) === -1 &&
    buffer.readInt32BE(at + 53) !== -1
  );
}

function hex(crc: number): string {
  return `0x${crc.toString(16).padStart(8, '0')}`;
}

/**
 * Visits the records of the verified batches that lie back to back in [at, end). Throws a RangeError if a record does
 * not fit in its batch: behind a good checksum that is a writer's fault, not the disk's.
 */
export function forEachRecord(buffer: Buffer, at: number, end: number, visit: RecordVisitor): void {
  while (at < end) {
    const batchEnd = at + batchBytes(buffer, at);
    if (batchEnd > end || batchEnd < at + BATCH_HEADER_BYTES) throw new RangeError(`no whole batch at ${at}`);
    forEachRecordOfBatch(buffer, at, batchEnd, visit);
    at = batchEnd;
  }
}

function forEachRecordOfBatch(buffer: Buffer, start: number, end: number, visit: RecordVisitor): void {
  const baseOffset = readInt64(buffer, start);
  const baseTimestampMs = readInt64(buffer, start + 27);
  if (isCompressed(buffer.readInt16BE(start + 21))) {
    throw new RangeError(
      `the batch at offset ${baseOffset} is compressed: its records cannot be visited in place`,
    );
  }
  let at = start + BATCH_HEADER_BYTES;
  for (let left = buffer.readInt32BE(start + 57); left > 0; left--) {
    const length = readVarint(buffer, at);
    at = varintEnd(buffer, at);
    const recordEnd = at + length;
    if (length < 1 || recordEnd > end)
      throw new RangeError(`a record of the batch at ${baseOffset} overruns it`);
    const timestampMs = baseTimestampMs + readVarlong(buffer, at + 1);
    at = varlongEnd(buffer, at + 1);
    const offset = baseOffset + readVarint(buffer, at);
    at = varintEnd(buffer, at);
    visit(offset, timestampMs, buffer, at, recordEnd - at);
    at = recordEnd;
  }
}
