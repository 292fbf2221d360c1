import { writeChecksum, writeOffsetCheck } from './batch-checksum.ts';
import { BATCH_HEADER_BYTES } from './batch-layout.ts';
import { writeBatchHeader } from './batch-writer.ts';
import type { MessageView } from './message-view.ts';
import { varintLength } from './record-content.ts';
import { RECORD_OVERHEAD_MAX, recordLength, writeLeadingFields } from './record-leading-fields.ts';

const MAX_INT32 = 0x7fffffff;

/**
 * Builds one uncompressed batch at a time, in one buffer that is used again for each: `begin`, `append` until it says
 * no, `finish`, write the result, and from the start. Timestamps are whole milliseconds since the epoch.
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

  /** The length of what `finish` would give now. */
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
  appendMessage(timestampMs: number, messageView: MessageView, contentLength: number): void {
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
    const length = recordLength(timestampDelta, offsetDelta, contentLength);
    const buffer = this.#buffer;
    if (this.#at + varintLength(length) + length > buffer.length) return -1;

    const at = writeLeadingFields(buffer, this.#at, length, timestampDelta, offsetDelta);
    this.#at = at + contentLength;
    this.#count++;
    this.#lastOffset = offset;
    if (timestampMs > this.#maxTimestampMs) this.#maxTimestampMs = timestampMs;
    return at;
  }

  /** The finished batch of a queue: a view of the builder's memory, good until the next `begin`. */
  finish(): Buffer {
    const batch = this.#withHeader(0);
    writeOffsetCheck(batch, 0);
    writeChecksum(batch, 0, batch.length);
    return batch;
  }

  /** As `finish`, for a stream: with nothing in it that a producer's batch would not have. */
  finishPlain(attributes: number): Buffer {
    const batch = this.#withHeader(attributes);
    writeChecksum(batch, 0, batch.length);
    return batch;
  }

  #withHeader(attributes: number): Buffer {
    if (this.#count === 0) throw new RangeError('a batch needs at least one record');
    const batch = this.#buffer.subarray(0, this.#at);
    writeBatchHeader(
      batch,
      attributes,
      this.#baseOffset,
      this.#lastOffset,
      this.#baseTimestampMs,
      this.#maxTimestampMs,
      this.#count,
    );
    return batch;
  }
}
