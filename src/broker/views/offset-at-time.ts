import { BatchCursor } from '../../log/streams/batch-cursor.ts';
import type { Partition } from '../streams/partition.ts';

/** The offset of the first record with this timestamp or a later one; the end if there is none. */
export async function offsetAtTime(partition: Partition, timeMs: number): Promise<number> {
  const batch = await partition.batchAtTime(timeMs);
  if (batch === null) return partition.endOffset;
  const cursor = new BatchCursor();
  cursor.open(batch, 0);
  while (cursor.next()) if (cursor.timestampMs >= timeMs) return cursor.offset;
  return cursor.lastOffset + 1;
}
