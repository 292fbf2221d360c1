import { KafkaWireError } from '../wire/kafka/errors.ts';
import { BATCH_HEADER_BYTES, BatchView } from './batch-view.ts';
import { decompress } from './compression/compression.ts';
import { CompressionError } from './compression/errors.ts';

export interface RecordHeader {
  readonly name: string;
  readonly value: Buffer | null;
}

const VARINT_BYTES_MAX = 5;
const VARLONG_BYTES_MAX = 10;

/**
 * Goes through the records of one batch:
 *
 *     record  = length varint | attributes int8 | timestampDelta varlong | offsetDelta varint | content
 *     content = keyLength varint (-1: no key)     | key
 *               | valueLength varint (-1: none)   | value
 *               | headerCount varint              | header*
 *     header  = nameLength varint | name | valueLength varint (-1: none) | value
 *
 * Varints are zigzag. All fields are of the current record, and all positions are in `bytes`: those of the batch, or
 * the decompressed records. The batch has been found without fault (record-batch.ts); records that do not fit in it
 * all the same are a KafkaWireError.
 */
export class RecordCursor {
  readonly bytes: Buffer;
  readonly recordCount: number;
  offset = 0;
  timestampMs = 0;
  /** -1: no key. */
  keyLength = -1;
  keyStart = 0;
  /** -1: no value, which in a compacted topic deletes the key. */
  valueLength = -1;
  valueStart = 0;
  headerCount = 0;
  headersStart = 0;
  contentStart = 0;
  /** Of the record, its content and its headers. */
  contentEnd = 0;
  readonly #baseOffset: number;
  readonly #baseTimestampMs: number;
  readonly #appendTimeMs: number;
  readonly #isLogAppendTime: boolean;
  #position: number;
  #end: number;
  #left: number;

  /** `bytesMax`: how large the records may be when decompressed. */
  constructor(bytes: Buffer, at: number, bytesMax: number) {
    const batch = new BatchView(bytes, at);
    this.recordCount = batch.recordCount;
    this.#baseOffset = batch.baseOffset;
    this.#baseTimestampMs = batch.baseTimestampMs;
    this.#appendTimeMs = batch.maxTimestampMs;
    this.#isLogAppendTime = batch.isLogAppendTime;
    this.#left = batch.recordCount;
    const start = at + BATCH_HEADER_BYTES;
    if (batch.compression === 0) {
      this.bytes = bytes;
      this.#position = start;
      this.#end = batch.end;
    } else {
      this.bytes = decompressed(batch.compression, bytes.subarray(start, batch.end), bytesMax);
      this.#position = 0;
      this.#end = this.bytes.length;
    }
  }

  /** Moves to the next record; false when there is none any more. */
  next(): boolean {
    if (this.#left <= 0) {
      if (this.#position !== this.#end)
        this.#fail(`${this.#end - this.#position} bytes behind the last record`);
      return false;
    }
    this.#left--;
    const batchEnd = this.#end;
    const length = this.#varint();
    const recordEnd = this.#position + length;
    if (length < 1 || recordEnd > batchEnd) this.#fail(`a record of ${length} bytes`);
    this.#end = recordEnd;
    this.#readRecord(recordEnd);
    this.#end = batchEnd;
    return true;
  }

  #readRecord(recordEnd: number): void {
    this.#position++;
    const timestampDelta = this.#varlong();
    this.timestampMs = this.#isLogAppendTime ? this.#appendTimeMs : this.#baseTimestampMs + timestampDelta;
    if (!Number.isSafeInteger(this.timestampMs)) this.timestampMs = -1;
    this.offset = this.#baseOffset + this.#varint();
    this.contentStart = this.#position;
    this.contentEnd = recordEnd;
    this.keyLength = this.#varint();
    this.keyStart = this.#take(this.keyLength);
    this.valueLength = this.#varint();
    this.valueStart = this.#take(this.valueLength);
    this.headerCount = this.#varint();
    this.headersStart = this.#position;
    // A header has two bytes at least.
    if (this.headerCount < 0 || this.headerCount * 2 > recordEnd - this.#position) {
      this.#fail(`${this.headerCount} headers in ${recordEnd - this.#position} bytes`);
    }
    if (this.headerCount === 0 && this.#position !== recordEnd) {
      this.#fail(`${recordEnd - this.#position} bytes behind a record`);
    }
    this.#position = recordEnd;
  }

  /** The headers of the current record; their values are views. Made anew at each call. */
  headers(): readonly RecordHeader[] {
    const { bytes, headersStart, contentEnd } = this;
    const position = this.#position;
    const end = this.#end;
    this.#position = headersStart;
    this.#end = contentEnd;
    const headers: RecordHeader[] = [];
    for (let left = this.headerCount; left > 0; left--) {
      const nameLength = this.#varint();
      if (nameLength < 0) this.#fail('a header without a name');
      const nameStart = this.#take(nameLength);
      const valueLength = this.#varint();
      const valueStart = this.#take(valueLength);
      const value = valueLength < 0 ? null : bytes.subarray(valueStart, valueStart + valueLength);
      headers.push({ name: bytes.toString('utf8', nameStart, nameStart + nameLength), value });
    }
    if (this.#position !== contentEnd) this.#fail(`${contentEnd - this.#position} bytes behind the headers`);
    this.#position = position;
    this.#end = end;
    return headers;
  }

  #fail(problem: string): never {
    const number = this.recordCount - this.#left;
    throw new KafkaWireError(`batch at offset ${this.#baseOffset}, record ${number}: ${problem}`);
  }

  /** Moves over `count` bytes, none if it is -1, and returns where they begin. */
  #take(count: number): number {
    const at = this.#position;
    if (count < -1 || count > this.#end - at) this.#fail(`needs ${count} bytes, ${this.#end - at} are left`);
    if (count > 0) this.#position = at + count;
    return at;
  }

  #varint(): number {
    const { bytes } = this;
    const limit = Math.min(this.#end, this.#position + VARINT_BYTES_MAX);
    let at = this.#position;
    let zigzag = 0;
    for (let shift = 0; at < limit; shift += 7) {
      const byte = bytes[at++];
      zigzag |= (byte & 0x7f) << shift;
      if (byte < 0x80) {
        this.#position = at;
        return (zigzag >>> 1) ^ -(zigzag & 1);
      }
    }
    return this.#fail('a varint without an end');
  }

  /** Up to 64 bits; beyond 2^53 the nearest number. */
  #varlong(): number {
    const { bytes } = this;
    const limit = Math.min(this.#end, this.#position + VARLONG_BYTES_MAX);
    let at = this.#position;
    let zigzag = 0;
    for (let scale = 1; at < limit; scale *= 0x80) {
      const byte = bytes[at++];
      zigzag += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        this.#position = at;
        return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
      }
    }
    return this.#fail('a varlong without an end');
  }
}

function decompressed(code: number, source: Buffer, bytesMax: number): Buffer {
  try {
    return decompress(code, source, bytesMax);
  } catch (error) {
    throw error instanceof CompressionError ? new KafkaWireError(error.message) : error;
  }
}
