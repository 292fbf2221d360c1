import { RecordBatchBuilder } from '../../records/batch-builder.ts';
import { BatchView, baseOffsetOf, maxTimestampMsOf } from '../../records/batch-view.ts';
import { forEachRecord } from '../../records/record-cursor.ts';
import type { File, FileSystem } from '../files/filesystem.ts';
import { Segment } from './segment.ts';
import { readBatches } from './segment-reader.ts';

/** How many offsets of [from, to) are not acknowledged. */
export type LiveCount = (from: number, to: number) => number;

/** A slice of the work: some hundred microseconds of checksums and copies. While the next is read others have a turn. */
const SLICE_BYTES = 1024 * 1024;
const BATCH_BYTES = 64 * 1024;

/** Writes to `path` what is still live of a segment, and makes the file durable. Base and end offset stay. */
export async function writeCleaned(
  fs: FileSystem,
  file: File,
  source: Segment,
  path: string,
  liveCount: LiveCount,
): Promise<Segment> {
  await fs.remove(path);
  const copy = new Segment({ ...source.info(), bytes: 0, records: 0 }, path, true);
  const collector = new BatchCollector(copy, liveCount);
  const target = await fs.open(path, 'create');
  try {
    for (let position = 0, written = 0; position < source.bytes; written = copy.bytes) {
      const batches = await readBatches(file, source.path, position, source.bytes, SLICE_BYTES);
      collector.take(batches);
      position += batches.length;
      if (position === source.bytes) collector.finishBatch();
      const ready = collector.ready;
      collector.ready = [];
      if (ready.length > 0) await target.write(ready, written);
    }
    await target.sync();
  } finally {
    await target.close();
  }
  return copy;
}

/** Gathers live records into batches, and accounts for them in the segment that they will be written to. */
class BatchCollector {
  ready: Buffer[] = [];
  readonly #copy: Segment;
  readonly #liveCount: LiveCount;
  readonly #builder = new RecordBatchBuilder(BATCH_BYTES);

  constructor(copy: Segment, liveCount: LiveCount) {
    this.#copy = copy;
    this.#liveCount = liveCount;
    this.#builder.begin();
  }

  take(batches: Buffer): void {
    const liveCount = this.#liveCount;
    for (
      const batch = new BatchView(batches, 0);
      batch.at < batches.length;
      batch.moveTo(batches, batch.end)
    ) {
      const { at, end, baseOffset, lastOffset, recordCount, compression } = batch;
      if (liveCount(baseOffset, lastOffset + 1) === 0) continue;
      if (compression !== 0) {
        this.finishBatch();
        this.#put(Buffer.from(batches.subarray(at, end)), baseOffset, recordCount);
      } else {
        this.#takeLive(batches, at, end);
      }
    }
  }

  finishBatch(): void {
    const records = this.#builder.recordCount;
    if (records === 0) return;
    const batch = Buffer.from(this.#builder.finish());
    this.#put(batch, baseOffsetOf(batch, 0), records);
    this.#builder.begin();
  }

  #takeLive(batches: Buffer, at: number, end: number): void {
    forEachRecord(batches, at, end, (offset, timestampMs, buffer, start, length) => {
      if (this.#liveCount(offset, offset + 1) === 0) return;
      if (this.#builder.append(offset, timestampMs, buffer, start, length)) return;
      this.finishBatch();
      this.#builder.append(offset, timestampMs, buffer, start, length);
    });
  }

  #put(batch: Buffer, offset: number, records: number): void {
    const copy = this.#copy;
    copy.index.add(offset, copy.bytes, maxTimestampMsOf(batch, 0));
    copy.bytes += batch.length;
    copy.records += records;
    this.ready.push(batch);
  }
}
