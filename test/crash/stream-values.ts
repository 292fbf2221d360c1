import type { Partition } from '../../src/broker/streams/partition.ts';
import { batchBytes } from '../../src/records/batch-view.ts';
import { RecordCursor } from '../../src/records/record-cursor.ts';

const READ_BYTES = 64 * 1024;

/** The values of all records that are in the partition, in order, as text. */
export async function valuesIn(partition: Partition): Promise<string[]> {
  const values: string[] = [];
  for (let from = partition.startOffset; from < partition.highWatermark; ) {
    const { bytes, nextOffset } = await partition.read(from, partition.highWatermark, READ_BYTES);
    for (let at = 0; at < bytes.length; at += batchBytes(bytes, at)) {
      const cursor = new RecordCursor().open(bytes, at);
      while (cursor.next()) {
        cursor.readContent();
        const { valueStart, valueLength } = cursor;
        values.push(cursor.bytes.toString('latin1', valueStart, valueStart + valueLength));
      }
    }
    from = nextOffset;
  }
  return values;
}
