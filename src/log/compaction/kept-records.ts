import { varintLength } from '../../records/record-content.ts';
import type { RecordCursor } from '../../records/record-cursor.ts';
import { recordLength, writeLeadingFields } from '../../records/record-leading-fields.ts';

const BITS_FIRST = 1024;
/** Records that are looked at before others have a turn. */
const RECORDS_PER_SLICE = 8192;

/**
 * Which records of a batch stay: a bit for each, as there may be millions in one. What stays is written by going through
 * the batch again.
 */
export class KeptRecords {
  /** Records that stay, of `total`. */
  count = 0;
  total = 0;
  hasTombstone = false;
  maxTimestampMs = Number.NEGATIVE_INFINITY;
  #length = 0;
  #bits = new Uint8Array(BITS_FIRST / 8);
  readonly #batch: Buffer;
  readonly #records: RecordCursor;
  readonly #pause: () => Promise<void>;

  /** `records` goes through `batch`. */
  constructor(batch: Buffer, records: RecordCursor, pause: () => Promise<void>) {
    this.#batch = batch;
    this.#records = records;
    this.#pause = pause;
  }

  /** Whether the current record stays; asked for each, in order. */
  decide(stays: boolean): void {
    const index = this.total++;
    if (index === this.#bits.length * 8) {
      const bits = new Uint8Array(this.#bits.length * 2);
      bits.set(this.#bits);
      this.#bits = bits;
    }
    if (!stays) return;
    this.#bits[index >>> 3] |= 1 << (index & 7);
    const { recordStart, contentEnd, timestampMs, isTombstone } = this.#records;
    this.count++;
    this.#length += contentEnd - recordStart;
    if (isTombstone) this.hasTombstone = true;
    if (timestampMs > this.maxTimestampMs) this.maxTimestampMs = timestampMs;
  }

  /** As they are; those that lie side by side are copied together. */
  async bytes(): Promise<Buffer> {
    const output = Buffer.allocUnsafe(this.#length);
    let at = 0;
    let runStart = 0;
    let runEnd = 0;
    await this.#forEach(({ bytes, recordStart, contentEnd }) => {
      if (recordStart !== runEnd) {
        at += bytes.copy(output, at, runStart, runEnd);
        runStart = recordStart;
      }
      runEnd = contentEnd;
    });
    this.#records.bytes.copy(output, at, runStart, runEnd);
    return output;
  }

  /** With their timestamps as differences to this one. */
  async rebased(baseTimestampMs: number): Promise<Buffer> {
    let total = 0;
    await this.#forEach((record) => {
      const length = rebasedLength(record, baseTimestampMs);
      total += varintLength(length) + length;
    });
    const output = Buffer.allocUnsafe(total);
    let at = 0;
    await this.#forEach((record) => {
      const { bytes, contentStart, contentEnd, timestampMs, offset, baseOffset } = record;
      const length = rebasedLength(record, baseTimestampMs);
      at = writeLeadingFields(output, at, length, timestampMs - baseTimestampMs, offset - baseOffset);
      at += bytes.copy(output, at, contentStart, contentEnd);
    });
    return output;
  }

  async #forEach(visit: (record: RecordCursor) => void): Promise<void> {
    const records = this.#records;
    records.open(this.#batch, 0, records.compression === 0 ? null : records.bytes);
    for (let index = 0; records.next(); index++) {
      if (index % RECORDS_PER_SLICE === RECORDS_PER_SLICE - 1) await this.#pause();
      if ((this.#bits[index >>> 3] & (1 << (index & 7))) !== 0) visit(records);
    }
  }
}

function rebasedLength(
  { contentStart, contentEnd, timestampMs, offset, baseOffset }: RecordCursor,
  baseTimestampMs: number,
): number {
  return recordLength(timestampMs - baseTimestampMs, offset - baseOffset, contentEnd - contentStart);
}
