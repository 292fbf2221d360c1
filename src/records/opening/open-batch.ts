import { compressionOf } from '../batch-view.ts';
import { COMPRESSION } from '../compression/compression.ts';
import { RecordCursor } from '../record-cursor.ts';
import type { BatchOpener } from './batch-opener.ts';

/** Records that are looked at before others have a turn. */
const RECORDS_PER_SLICE = 8192;

/**
 * A cursor before the first record of the batch at `at`, which was decompressed, if it had to be, without holding the event
 * loop. Rejects with a RecordFormatError if that is not possible.
 */
export async function openBatch(opener: BatchOpener, bytes: Buffer, at: number): Promise<RecordCursor> {
  const cursor = new RecordCursor();
  if (compressionOf(bytes, at) === COMPRESSION.none) return cursor.open(bytes, at);
  return cursor.open(bytes, at, await opener.open(bytes, at));
}

/**
 * Visits the records of the batch at `at`, which must not be memory that is used again, until `visit` says that it was
 * enough; resolves with whether it did. There may be millions: others have a turn in between. Large ones are visited one
 * after the other for each owner, who is the user that asks. Rejects as `openBatch`, and if a record does not fit in its batch.
 */
export async function visitRecords(
  opener: BatchOpener,
  bytes: Buffer,
  at: number,
  visit: (record: RecordCursor) => boolean,
  owner = '',
): Promise<boolean> {
  const cursor = new RecordCursor();
  if (compressionOf(bytes, at) === COMPRESSION.none) return walk(cursor.open(bytes, at), opener, visit);
  const now = opener.openNow(bytes, at);
  if (now !== null) return walk(cursor.open(bytes, at, now), opener, visit);
  return opener.visitAlone(owner, async () =>
    walk(cursor.open(bytes, at, await opener.openLater(bytes, at, owner)), opener, visit),
  );
}

async function walk(
  records: RecordCursor,
  opener: BatchOpener,
  visit: (record: RecordCursor) => boolean,
): Promise<boolean> {
  for (let count = 1; records.next(); count++) {
    if (visit(records)) return true;
    if (count % RECORDS_PER_SLICE === 0) await opener.nextTurn();
  }
  return false;
}
