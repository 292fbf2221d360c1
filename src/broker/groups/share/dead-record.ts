import { baseOffsetOf, batchBytes, lastOffsetOf } from '../../../records/batch-view.ts';
import { RecordCursor } from '../../../records/record-cursor.ts';
import { RecordFormatError } from '../../../records/record-format-error.ts';

export interface FoundRecord {
  readonly timestampMs: number;
  /** See record-content.ts; a view. */
  readonly content: Buffer;
}

/**
 * The records with these offsets, which ascend, in the batches that lie back to back in `batches`. Those of a batch that
 * is not what its header promises, as its producer made it, are not found.
 */
export function findRecords(batches: Buffer, offsets: readonly number[]): Map<number, FoundRecord> {
  const found = new Map<number, FoundRecord>();
  let next = 0;
  for (let at = 0; at < batches.length && next < offsets.length; at += batchBytes(batches, at)) {
    const baseOffset = baseOffsetOf(batches, at);
    const lastOffset = lastOffsetOf(batches, at);
    while (offsets[next] < baseOffset) next++;
    const first = next;
    while (next < offsets.length && offsets[next] <= lastOffset) next++;
    if (next > first) findIn(batches, at, new Set(offsets.slice(first, next)), found);
  }
  return found;
}

function findIn(
  batches: Buffer,
  at: number,
  offsets: ReadonlySet<number>,
  found: Map<number, FoundRecord>,
): void {
  try {
    const records = new RecordCursor().open(batches, at);
    while (records.next()) {
      records.readContent();
      const { offset, timestampMs, bytes, contentStart, contentEnd } = records;
      if (offsets.has(offset)) {
        found.set(offset, { timestampMs, content: bytes.subarray(contentStart, contentEnd) });
      }
    }
  } catch (error) {
    if (!(error instanceof RecordFormatError)) throw error;
  }
}
