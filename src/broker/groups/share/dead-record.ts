import { baseOffsetOf, batchBytes, lastOffsetOf } from '../../../records/batch-view.ts';
import type { BatchOpener } from '../../../records/opening/batch-opener.ts';
import { visitRecords } from '../../../records/opening/open-batch.ts';
import { RecordFormatError } from '../../../records/record-format-error.ts';

export interface FoundRecord {
  readonly timestampMs: number;
  /** See record-content.ts; a view. */
  readonly content: Buffer;
  /** What it has as an envelope is a client's word. */
  readonly hasForeignEnvelope: boolean;
}

/**
 * The records with these offsets, which ascend, in the batches that lie back to back in `batches`. Those of a batch that
 * is not what its header promises, as its producer made it, are not found.
 */
export async function findRecords(
  opener: BatchOpener,
  batches: Buffer,
  offsets: readonly number[],
): Promise<Map<number, FoundRecord>> {
  const found = new Map<number, FoundRecord>();
  let next = 0;
  for (let at = 0; at < batches.length && next < offsets.length; at += batchBytes(batches, at)) {
    const baseOffset = baseOffsetOf(batches, at);
    const lastOffset = lastOffsetOf(batches, at);
    while (offsets[next] < baseOffset) next++;
    const first = next;
    while (next < offsets.length && offsets[next] <= lastOffset) next++;
    if (next > first) await findIn(opener, batches, at, new Set(offsets.slice(first, next)), found);
  }
  return found;
}

async function findIn(
  opener: BatchOpener,
  batches: Buffer,
  at: number,
  offsets: ReadonlySet<number>,
  found: Map<number, FoundRecord>,
): Promise<void> {
  let left = offsets.size;
  try {
    await visitRecords(opener, batches, at, (record) => {
      record.readContent();
      const { offset, timestampMs, bytes, contentStart, contentEnd, hasForeignEnvelope } = record;
      if (!offsets.has(offset)) return false;
      const content = bytes.subarray(contentStart, contentEnd);
      found.set(offset, { timestampMs, content, hasForeignEnvelope });
      return --left === 0;
    });
  } catch (error) {
    if (!(error instanceof RecordFormatError)) throw error;
  }
}
