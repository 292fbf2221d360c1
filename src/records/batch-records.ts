import { decompress } from './compression/compression.ts';
import {
  BATCH_HEADER_BYTES,
  batchBytes,
  LOG_APPEND_TIME,
  readInt64,
  readVarlong,
  varlongEnd,
} from './record-batch.ts';
import { readVarint, varintEnd } from './record-content.ts';

/** What the records of a batch may come to when they are decompressed. */
const DECOMPRESSED_BYTES_MAX = 64 * 1024 * 1024;
const COMPRESSION_MASK = 0x07;

/**
 * Goes through the records of one batch, compressed or not (see record-batch.ts for the layout). Fields are of the
 * current record, positions are in `bytes`. Throws a CompressionError or a RangeError where the records are not what
 * the header promises: nobody else looks inside what a producer sent.
 */
export class BatchRecords {
  readonly bytes: Buffer;
  readonly compression: number;
  readonly baseOffset: number;
  readonly isLogAppendTime: boolean;
  offset: number;
  timestampMs = 0;
  /** Of the whole record, with its length. */
  recordStart = 0;
  recordEnd = 0;
  /** What follows the three fields that come before the key. */
  contentStart = 0;
  keyStart = 0;
  /** -1: no key. */
  keyLength = -1;
  valueStart = 0;
  /** -1: no value. */
  valueLength = -1;
  /** Before the records of compressed batches there is nothing, before others the header. */
  readonly #end: number;
  readonly #lastOffset: number;
  readonly #baseTimestampMs: number;
  readonly #maxTimestampMs: number;
  #position: number;
  #left: number;

  constructor(batch: Buffer, at: number) {
    const attributes = batch.readInt16BE(at + 21);
    const end = at + batchBytes(batch, at);
    this.baseOffset = readInt64(batch, at);
    this.offset = this.baseOffset - 1;
    this.#lastOffset = this.baseOffset + batch.readInt32BE(at + 23);
    this.#baseTimestampMs = readInt64(batch, at + 27);
    this.#maxTimestampMs = readInt64(batch, at + 35);
    this.isLogAppendTime = (attributes & LOG_APPEND_TIME) !== 0;
    this.compression = attributes & COMPRESSION_MASK;
    this.#left = batch.readInt32BE(at + 57);
    if (this.compression === 0) {
      this.bytes = batch;
      this.#position = at + BATCH_HEADER_BYTES;
      this.#end = end;
    } else {
      const source = batch.subarray(at + BATCH_HEADER_BYTES, end);
      this.bytes = this.#left === 0 ? source : decompress(this.compression, source, DECOMPRESSED_BYTES_MAX);
      this.#position = 0;
      this.#end = this.bytes.length;
    }
  }

  /** Moves on to the next record; false when there is none any more. */
  next(): boolean {
    if (this.#left <= 0) return false;
    this.#left--;
    const { bytes } = this;
    this.recordStart = this.#position;
    const length = readVarint(bytes, this.#position);
    let at = varintEnd(bytes, this.#position);
    this.recordEnd = at + length;
    if (length < MIN_RECORD_BYTES || this.recordEnd > this.#end) this.#fail(`a record of ${length} bytes`);
    this.timestampMs = this.isLogAppendTime
      ? this.#maxTimestampMs
      : this.#baseTimestampMs + readVarlong(bytes, at + 1);
    if (!Number.isSafeInteger(this.timestampMs)) this.#fail(`timestamp ${this.timestampMs}`);
    at = varlongEnd(bytes, at + 1);
    const offset = this.baseOffset + readVarint(bytes, at);
    if (offset <= this.offset || offset > this.#lastOffset) this.#fail(`offset ${offset}`);
    this.offset = offset;
    this.contentStart = varintEnd(bytes, at);
    this.keyLength = readVarint(bytes, this.contentStart);
    this.keyStart = varintEnd(bytes, this.contentStart);
    const valueAt = this.keyStart + Math.max(0, this.keyLength);
    if (this.keyLength < -1 || valueAt >= this.recordEnd) this.#fail(`a key of ${this.keyLength} bytes`);
    this.valueLength = readVarint(bytes, valueAt);
    this.valueStart = varintEnd(bytes, valueAt);
    this.#position = this.recordEnd;
    return true;
  }

  /** Whether the record says that its key is gone. */
  get isDeletion(): boolean {
    return this.valueLength < 0 && this.keyLength >= 0;
  }

  #fail(what: string): never {
    throw new RangeError(
      `batch at offset ${this.baseOffset}: ${what} at byte ${this.recordStart} of its records`,
    );
  }
}

/** Attributes, two deltas, lengths of key and value, number of headers: a byte each. */
const MIN_RECORD_BYTES = 6;
