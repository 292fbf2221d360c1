import { BatchCursor } from '../../../records/batch-cursor.ts';
import type { Partition } from '../partition.ts';

/** The offset of the first record with this timestamp or a later one; the end if there is none. */
export async function offsetAtTime(partition: Partition, timeMs: number): Promise<number> {
  const cursor = new BatchCursor();
  for (let from = partition.startOffset; ; from = cursor.lastOffset + 1) {
    const batch = await partition.batchAtTime(timeMs, from);
    if (batch === null) return partition.endOffset;
    cursor.open(batch, 0);
    while (cursor.next()) if (cursor.timestampMs >= timeMs && cursor.offset >= from) return cursor.offset;
    // Headers may promise what no record has.
  }
}
