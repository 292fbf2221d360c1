import { decompress } from './compression/compression.ts';
import { CompressionError } from './compression/errors.ts';
import { BATCH_HEADER_BYTES, batchBytes, LOG_APPEND_TIME } from './record-batch.ts';
import { readVarint, varintEnd } from './record-content.ts';

/** A batch that would need more than this to be opened is none that a producer makes. */
const OPENED_BYTES_MAX = 64 * 1024 * 1024;
const COMPRESSION_MASK = 0x07;
const NO_TIMESTAMP = -1;

/**
 * Goes through the records of one batch after the other. A batch can be left in the middle and gone on with later, at
 * whatever place in memory it is then; one that is compressed is opened once for all of that.
 */
export class BatchCursor {
  /** Of the current record: where its content is. */
  buffer: Buffer = Buffer.alloc(0);
  contentStart = 0;
  contentEnd = 0;
  offset = 0;
  timestampMs = 0;
  /** Of the batch that is open; -1 for none. */
  baseOffset = -1;
  lastOffset = -1;
  /** The batch could not be read to its end. */
  isBroken = false;
  /** Of all batches until now, what had to be decompressed. */
  openedBytes = 0;
  #opened: Buffer | null = null;
  #baseTimestampMs = 0;
  #appendTimeMs = -1;
  /** From the start of the records. */
  #position = 0;
  #end = 0;
  #left = 0;
  #recordsAt = 0;
  #before = 0;

  /** The batch at `at`; where it was left if it is the one that is open. */
  open(buffer: Buffer, at: number): void {
    const baseOffset = baseOffsetAt(buffer, at);
    if (baseOffset !== this.baseOffset) this.#begin(buffer, at, baseOffset);
    if (this.#opened === null) {
      this.buffer = buffer;
      this.#recordsAt = at + BATCH_HEADER_BYTES;
    } else {
      this.buffer = this.#opened;
      this.#recordsAt = 0;
    }
  }

  /** Lets go of the batch. */
  close(): void {
    this.baseOffset = -1;
    this.lastOffset = -1;
    this.#opened = null;
  }

  /** Moves to the next record; false behind the last one, and where the batch cannot be read. */
  next(): boolean {
    if (this.#left <= 0) return false;
    this.#left--;
    this.#before = this.#position;
    const { buffer } = this;
    const end = this.#recordsAt + this.#end;
    let at = this.#recordsAt + this.#position;
    const length = readVarint(buffer, at);
    at = varintEnd(buffer, at);
    const recordEnd = at + length;
    if (length < 6 || recordEnd > end) return this.#fail();
    this.timestampMs =
      this.#appendTimeMs < 0 ? this.#baseTimestampMs + readVarlong(buffer, at + 1) : this.#appendTimeMs;
    // A sum that no number can be is none.
    if (!Number.isSafeInteger(this.timestampMs)) this.timestampMs = NO_TIMESTAMP;
    at = varlongEnd(buffer, at + 1);
    const offset = this.baseOffset + readVarint(buffer, at);
    at = varintEnd(buffer, at);
    // Whoever goes on behind a record must not pass over those of others, nor come back.
    if (at > recordEnd || offset <= this.offset || offset > this.lastOffset) return this.#fail();
    this.offset = offset;
    this.contentStart = at;
    this.contentEnd = recordEnd;
    this.#position = recordEnd - this.#recordsAt;
    return true;
  }

  /** The next record is once more the present one. */
  stepBack(): void {
    this.#position = this.#before;
    this.offset--;
    this.#left++;
  }

  #begin(buffer: Buffer, at: number, baseOffset: number): void {
    const attributes = buffer[at + 22] as number;
    this.baseOffset = baseOffset;
    this.offset = baseOffset - 1;
    this.lastOffset = baseOffset + buffer.readInt32BE(at + 23);
    this.#baseTimestampMs = readInt64(buffer, at + 27);
    this.#appendTimeMs = (attributes & LOG_APPEND_TIME) === 0 ? -1 : readInt64(buffer, at + 35);
    this.#left = buffer.readInt32BE(at + 57);
    this.#position = 0;
    this.#opened = null;
    this.isBroken = false;
    const end = at + batchBytes(buffer, at);
    this.#end = end - at - BATCH_HEADER_BYTES;
    const compression = attributes & COMPRESSION_MASK;
    if (compression === 0) return;
    try {
      this.#opened = decompress(compression, buffer.subarray(at + BATCH_HEADER_BYTES, end), OPENED_BYTES_MAX);
      this.#end = this.#opened.length;
      this.openedBytes += this.#end;
    } catch (error) {
      if (!(error instanceof CompressionError)) throw error;
      // Perhaps it was given up at that size.
      this.openedBytes += OPENED_BYTES_MAX;
      this.#fail();
    }
  }

  #fail(): false {
    this.isBroken = true;
    this.#left = 0;
    return false;
  }
}

export function baseOffsetAt(buffer: Buffer, at: number): number {
  return readInt64(buffer, at);
}

export function lastOffsetAt(buffer: Buffer, at: number): number {
  return readInt64(buffer, at) + buffer.readInt32BE(at + 23);
}

function readInt64(buffer: Buffer, at: number): number {
  return buffer.readInt32BE(at) * 0x1_0000_0000 + buffer.readUInt32BE(at + 4);
}

function varlongEnd(source: Buffer, at: number): number {
  const limit = at + 9;
  while (at < limit && (source[at] as number) > 0x7f) at++;
  return at + 1;
}

/** Zigzag, up to 64 bits; beyond 2^53 the nearest number. */
function readVarlong(source: Buffer, at: number): number {
  let zigzag = 0;
  for (let index = varlongEnd(source, at) - 1; index >= at; index--) {
    zigzag = zigzag * 0x80 + ((source[index] as number) & 0x7f);
  }
  return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
}
