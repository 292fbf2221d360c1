import { forEachRecord, type RecordVisitor } from '../../records/record-cursor.ts';

/** What one read of a log gave: whole, verified record batches. */
export class LogSlice {
  /** Batches back to back. The first may begin before `fromOffset`. The memory belongs to the slice alone. */
  readonly buffer: Buffer;
  readonly fromOffset: number;
  /** Where to read on. Offsets from `fromOffset` to here that are not in the slice are not in the log. */
  readonly nextOffset: number;
  readonly #records: number;

  constructor(buffer: Buffer, fromOffset: number, nextOffset: number, records: number) {
    this.buffer = buffer;
    this.fromOffset = fromOffset;
    this.nextOffset = nextOffset;
    this.#records = records;
  }

  /** True only where the log has nothing at or after `fromOffset`. */
  get isEmpty(): boolean {
    return this.#records === 0;
  }

  /** Visits the records at `fromOffset` and after, in order. */
  forEach(visit: RecordVisitor): void {
    const { buffer, fromOffset } = this;
    forEachRecord(buffer, 0, buffer.length, (offset, timestampMs, source, contentStart, contentLength) => {
      if (offset >= fromOffset) visit(offset, timestampMs, source, contentStart, contentLength);
    });
  }
}
