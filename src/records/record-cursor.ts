import { BATCH_HEADER_BYTES, CRC_AT, NO_TIMESTAMP } from './batch-layout.ts';
import { BatchView, baseOffsetOf, batchBytes } from './batch-view.ts';
import { DECOMPRESSED_BYTES_MAX, decompress } from './compression/compression.ts';
import { CompressionError } from './compression/errors.ts';
import { readVarint, readVarlong, varintEnd, varlongEnd } from './record-content.ts';
import { RecordFormatError } from './record-format-error.ts';

/** Attributes, two deltas, lengths of key and value, number of headers: a byte each. */
const RECORD_BYTES_MIN = 6;
/** A header has the lengths of its name and of its value, a byte each. */
const HEADER_BYTES_MIN = 2;
/** A variable-length integer goes on behind a byte that is larger. */
const LAST_BYTE_MAX = 0x7f;
/** A varint has five bytes of seven bits. */
const VARINT_BITS_MAX = 35;
/** Of four bytes, a varlong is a 32-bit integer. */
const SHORT_VARLONG_BITS_MAX = 28;
const NOTHING = Buffer.alloc(0);

const header = new BatchView(NOTHING, 0);

/**
 * Goes through the records of one batch after the other. A batch is verified before it is opened (batch-checksum.ts);
 * records that are not what it promises are a RecordFormatError, behind which there is nothing more to read.
 *
 *     record  = length varint | attributes int8 | timestampDelta varlong | offsetDelta varint | content
 *     content = keyLength varint (-1: no key)   | key
 *             | valueLength varint (-1: none)   | value
 *             | headerCount varint              | header*
 *     header  = nameLength varint | name | valueLength varint (-1: none) | value
 *
 * What the broker itself keeps in a content, and how integers are read, is in record-content.ts. All positions
 * are in `bytes`, which is the buffer that was opened, or the decompressed records.
 */
export class RecordCursor {
  bytes: Buffer = NOTHING;
  /** Of the open batch; -1 for none. */
  baseOffset = -1;
  lastOffset = -1;
  recordCount = 0;
  /** Its code of compression.ts. */
  compression = 0;
  isLogAppendTime = false;
  /** What its records have as envelopes is a client's word, and not the broker's. */
  hasForeignEnvelope = false;
  /** Of the current record. */
  offset = 0;
  /** Milliseconds since the epoch; -1 for none, and for what no time is. */
  timestampMs = 0;
  contentStart = 0;
  /** Of the record, its content and its headers. */
  contentEnd = 0;
  /** Of the current record, after `readContent`. -1: no key. */
  keyLength = -1;
  keyStart = 0;
  /** -1: no value, which in a compacted topic deletes the key. */
  valueLength = -1;
  valueStart = 0;
  headerCount = 0;
  headersStart = 0;
  readonly #decompressedBytesMax: number;
  #isDecompressed = false;
  /** Of the open batch: compaction may leave less of one at the same offset. */
  #crc = 0;
  /** Of the batch; what each record adds to it counts only with `#hasDeltas`. */
  #timestampMs = NO_TIMESTAMP;
  #hasDeltas = false;
  /** Where the first record is, in `bytes`. */
  #recordsAt = 0;
  /** From there: the next record, the current one, and the end of all. */
  #next = 0;
  #current = 0;
  #end = 0;
  /** Records that are still to come. */
  #left = 0;

  /** `decompressedBytesMax`: how large the records of one batch may be when decompressed. */
  constructor(decompressedBytesMax: number = DECOMPRESSED_BYTES_MAX) {
    this.#decompressedBytesMax = decompressedBytesMax;
  }

  /** Goes before the first record of the batch at `at`. `opened`: its records, if they were decompressed already. */
  open(bytes: Buffer, at: number, opened: Buffer | null = null): this {
    header.moveTo(bytes, at);
    const { baseOffset, recordCount, compression, isLogAppendTime, maxTimestampMs } = header;
    this.#crc = header.crc;
    this.hasForeignEnvelope = header.hasForeignEnvelope;
    this.baseOffset = baseOffset;
    this.offset = baseOffset - 1;
    this.lastOffset = header.lastOffset;
    this.recordCount = recordCount;
    this.compression = compression;
    this.isLogAppendTime = isLogAppendTime;
    const timestampMs = isLogAppendTime ? maxTimestampMs : header.baseTimestampMs;
    const isTime = Number.isSafeInteger(timestampMs);
    this.#timestampMs = isTime ? timestampMs : NO_TIMESTAMP;
    this.#hasDeltas = isTime && !isLogAppendTime;
    this.#left = recordCount;
    this.#next = 0;
    this.#isDecompressed = compression !== 0 && recordCount > 0;
    const start = at + BATCH_HEADER_BYTES;
    const end = at + batchBytes(bytes, at);
    if (this.#isDecompressed) {
      if (opened === null) this.#decompress(bytes.subarray(start, end));
      else this.#takeOpened(opened);
    } else {
      this.bytes = bytes;
      this.#recordsAt = start;
      this.#end = end - start;
    }
    return this;
  }

  /**
   * Goes on where the batch at `at` was left, if it is the one that is open, at whatever place in memory it is now; one
   * that is compressed is decompressed once for all of that. Opens it if it is another one. `opened` is as for `open`.
   */
  resume(bytes: Buffer, at: number, opened: Buffer | null = null): void {
    if (!this.isAt(bytes, at)) {
      this.open(bytes, at, opened);
    } else if (!this.#isDecompressed) {
      this.bytes = bytes;
      this.#recordsAt = at + BATCH_HEADER_BYTES;
    } else if (this.needsOpened) {
      if (opened === null)
        this.#decompress(bytes.subarray(at + BATCH_HEADER_BYTES, at + batchBytes(bytes, at)));
      else this.#takeOpened(opened);
    }
  }

  /** Whether the batch at `at` is the one that is open. */
  isAt(bytes: Buffer, at: number): boolean {
    return baseOffsetOf(bytes, at) === this.baseOffset && bytes.readUInt32BE(at + CRC_AT) === this.#crc;
  }

  /** Lets go of decompressed records of more than `bytesMax`, but not of the place in them: `resume` needs them again. */
  letGo(bytesMax: number): void {
    if (this.#isDecompressed && this.bytes.length > bytesMax) this.bytes = NOTHING;
  }

  /** Whether the decompressed records were let go of. */
  get needsOpened(): boolean {
    return this.#isDecompressed && this.bytes === NOTHING;
  }

  /** Lets go of the batch. */
  close(): void {
    this.baseOffset = -1;
    this.lastOffset = -1;
    this.#left = 0;
    if (this.#isDecompressed) this.bytes = NOTHING;
    this.#isDecompressed = false;
  }

  /**
   * Moves to the next record; false behind the last one. Its integers are read in place, as calls for their value and
   * for their end take half as long again.
   */
  next(): boolean {
    if (this.#left <= 0) return false;
    this.#left--;
    const { bytes } = this;
    const recordsAt = this.#recordsAt;
    this.#current = this.#next;
    let at = recordsAt + this.#next;

    let byte = bytes[at++];
    let zigzag = byte & 0x7f;
    for (let shift = 7; byte > 0x7f && shift < VARINT_BITS_MAX; shift += 7) {
      byte = bytes[at++];
      zigzag |= (byte & 0x7f) << shift;
    }
    const length = (zigzag >>> 1) ^ -(zigzag & 1);
    const recordEnd = at + length;
    if (byte > 0x7f || length < RECORD_BYTES_MIN || recordEnd > recordsAt + this.#end) {
      this.#fail(`a record of ${length} bytes`);
    }

    const timestampAt = at + 1;
    at = timestampAt;
    byte = bytes[at++];
    zigzag = byte & 0x7f;
    for (let shift = 7; byte > 0x7f && shift < SHORT_VARLONG_BITS_MAX; shift += 7) {
      byte = bytes[at++];
      zigzag |= (byte & 0x7f) << shift;
    }
    let timestampMs = this.#timestampMs;
    if (byte <= 0x7f) {
      timestampMs += (zigzag >>> 1) ^ -(zigzag & 1);
    } else {
      timestampMs += readVarlong(bytes, timestampAt);
      at = varlongEnd(bytes, timestampAt);
      if (bytes[at - 1] > 0x7f) this.#fail('a timestamp without an end');
      if (!Number.isSafeInteger(timestampMs)) timestampMs = NO_TIMESTAMP;
    }
    this.timestampMs = this.#hasDeltas ? timestampMs : this.#timestampMs;

    byte = bytes[at++];
    zigzag = byte & 0x7f;
    for (let shift = 7; byte > 0x7f && shift < VARINT_BITS_MAX; shift += 7) {
      byte = bytes[at++];
      zigzag |= (byte & 0x7f) << shift;
    }
    const offset = this.baseOffset + ((zigzag >>> 1) ^ -(zigzag & 1));
    if (byte > 0x7f || at > recordEnd) this.#fail(`fields of more than ${length} bytes`);
    // Who goes on behind a record must neither pass over those of other batches nor come back.
    if (offset <= this.offset || offset > this.lastOffset) this.#fail(`offset ${offset}`);
    this.offset = offset;
    this.contentStart = at;
    this.contentEnd = recordEnd;
    this.#next = recordEnd - recordsAt;
    return true;
  }

  /** The next record is once more the current one. */
  stepBack(): void {
    this.#next = this.#current;
    this.offset--;
    this.#left++;
  }

  /** The position of the current record, its length included. It ends where its content does. */
  get recordStart(): number {
    return this.#recordsAt + this.#current;
  }

  /** Finds key, value and headers of the current record. */
  readContent(): void {
    const { bytes, contentStart, contentEnd } = this;
    this.keyLength = readVarint(bytes, contentStart);
    this.keyStart = varintEnd(bytes, contentStart);
    const valueLengthAt = this.#behind(this.keyStart, this.keyLength);
    this.valueLength = readVarint(bytes, valueLengthAt);
    this.valueStart = varintEnd(bytes, valueLengthAt);
    const headerCountAt = this.#behind(this.valueStart, this.valueLength);
    const headerCount = readVarint(bytes, headerCountAt);
    const headersStart = varintEnd(bytes, headerCountAt);
    const left = contentEnd - headersStart;
    const isPossible = headerCount === 0 ? left === 0 : headerCount * HEADER_BYTES_MIN <= left;
    if (headerCount < 0 || !isPossible || bytes[headersStart - 1] > LAST_BYTE_MAX) {
      this.#fail(`${headerCount} headers in ${left} bytes`);
    }
    this.headerCount = headerCount;
    this.headersStart = headersStart;
  }

  /** Whether the record says that its key is gone; after `readContent`. */
  get isTombstone(): boolean {
    return this.valueLength < 0 && this.keyLength >= 0;
  }

  /** Behind the last record, which `next` has come to, there must be nothing. */
  expectEnd(): void {
    if (this.#next !== this.#end) this.#fail(`${this.#end - this.#next} bytes behind the last record`);
  }

  /** The position behind `length` bytes of key or value, -1 for none, that begin at `start`. */
  #behind(start: number, length: number): number {
    const left = this.contentEnd - start;
    if (length < -1 || length > left || this.bytes[start - 1] > LAST_BYTE_MAX) {
      this.#fail(`a key or value of ${length} bytes where ${left} are left`);
    }
    return length > 0 ? start + length : start;
  }

  #decompress(source: Buffer): void {
    try {
      this.#takeOpened(decompress(this.compression, source, this.#decompressedBytesMax));
    } catch (error) {
      if (!(error instanceof CompressionError)) throw error;
      const { baseOffset } = this;
      this.close();
      throw new RecordFormatError(`batch at offset ${baseOffset}: ${error.message}`);
    }
  }

  #takeOpened(records: Buffer): void {
    this.bytes = records;
    this.#recordsAt = 0;
    this.#end = records.length;
  }

  #fail(problem: string): never {
    const number = this.recordCount - this.#left;
    this.#left = 0;
    throw new RecordFormatError(`batch at offset ${this.baseOffset}, record ${number}: ${problem}`);
  }
}

/** `contentStart` and `contentLength` are in `bytes`. */
export type RecordVisitor = (
  offset: number,
  timestampMs: number,
  bytes: Buffer,
  contentStart: number,
  contentLength: number,
) => void;

/**
 * Visits the records of the verified batches that lie back to back in [at, end). Throws a RecordFormatError if a record
 * does not fit in its batch: behind a good checksum that is a writer's fault, not the disk's.
 */
export function forEachRecord(batches: Buffer, at: number, end: number, visit: RecordVisitor): void {
  const cursor = new RecordCursor();
  for (let next = at; at < end; at = next) {
    next = at + batchBytes(batches, at);
    if (next > end || next < at + BATCH_HEADER_BYTES) throw new RecordFormatError(`no whole batch at ${at}`);
    cursor.open(batches, at);
    while (cursor.next()) {
      const { offset, timestampMs, bytes, contentStart, contentEnd } = cursor;
      visit(offset, timestampMs, bytes, contentStart, contentEnd - contentStart);
    }
  }
}
