import { compressionOf } from '../batch-view.ts';
import { COMPRESSION } from '../compression/compression.ts';
import { RecordCursor } from '../record-cursor.ts';
import type { BatchOpener } from './batch-opener.ts';

/**
 * A cursor before the first record of the batch at `at`, which was decompressed, if it had to be, without holding the event
 * loop. Rejects with a RecordFormatError if that is not possible.
 */
export async function openBatch(opener: BatchOpener, bytes: Buffer, at: number): Promise<RecordCursor> {
  const cursor = new RecordCursor();
  if (compressionOf(bytes, at) === COMPRESSION.none) return cursor.open(bytes, at);
  return cursor.open(bytes, at, await opener.open(bytes, at));
}
