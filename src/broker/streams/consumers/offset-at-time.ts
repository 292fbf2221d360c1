import { lastOffsetOf } from '../../../records/batch-view.ts';
import { visitRecords } from '../../../records/opening/open-batch.ts';
import { RecordFormatError } from '../../../records/record-format-error.ts';
import type { AnyPartition } from '../any-partition.ts';
import type { Partition } from '../partition.ts';

/** The offset of the first record with this timestamp or a later one; the end if there is none. */
export async function offsetAtTime(partition: AnyPartition, timeMs: number): Promise<number> {
  if (partition.isRemote) return await partition.offsetAtTime(timeMs);
  for (let from = partition.startOffset; ; ) {
    const batch = await partition.batchAtTime(timeMs, from);
    if (batch === null) return partition.endOffset;
    const offset = await findIn(partition, batch, timeMs, from);
    if (offset >= 0) return offset;
    // Headers may promise what no record has.
    from = lastOffsetOf(batch, 0) + 1;
  }
}

/** -1 if none of the batch's records, as far as they can be read, is from this time on. */
async function findIn(partition: Partition, batch: Buffer, timeMs: number, from: number): Promise<number> {
  let found = -1;
  try {
    await visitRecords(partition.opener, batch, 0, ({ timestampMs, offset }) => {
      if (timestampMs >= timeMs && offset >= from) found = offset;
      return found >= 0;
    });
  } catch (error) {
    if (!(error instanceof RecordFormatError)) throw error;
  }
  return found;
}
