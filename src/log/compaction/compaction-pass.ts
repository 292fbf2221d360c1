import { COMPRESSION_MASK, HAS_DELETE_HORIZON, NO_TIMESTAMP } from '../../records/batch-layout.ts';
import { BatchView } from '../../records/batch-view.ts';
import { withRecords } from '../../records/batch-writer.ts';
import { compress } from '../../records/compression/compression.ts';
import { RecordCursor } from '../../records/record-cursor.ts';
import { RecordFormatError } from '../../records/record-format-error.ts';
import {
  RECORD_OVERHEAD_MAX,
  recordLength,
  writeLeadingFields,
} from '../../records/record-leading-fields.ts';
import { isAbort } from '../../records/transaction-marker.ts';
import type { BatchRewriter } from '../segments/segment-rewriter.ts';
import type { AbortedRange } from '../streams/retention-settings.ts';
import type { OffsetMap } from './offset-map.ts';

const NOTHING = Buffer.alloc(0);

export interface PassOptions {
  readonly map: OffsetMap;
  readonly nowMs: number;
  readonly deleteRetentionMs: number;
  /** The last one that is looked at: a batch that has it stays, if only for its offset. */
  readonly lastOffset: number;
  abortedIn(from: number, below: number): readonly AbortedRange[];
  /** After each piece of work, of so many bytes. */
  pause(bytes: number): Promise<void>;
}

/**
 * One way through a log, from its beginning, with the last offset of each key at hand. Of its records stay
 *
 *   - those with the last offset of their key, and those behind all that the map knows,
 *   - but without a value only until the delete horizon of their batch: that is set when they are met first,
 *   - nothing of transactions that were aborted,
 *   - and what has no key: Kafka would take it away, as no producer may send it to a compacted topic. Here messages come
 *     by other ways too, as dead letters do, that cannot be refused, and were promised to be kept.
 *
 * The end of a transaction goes when nothing of it is left. That of an aborted one stays: as long as it is listed as
 * aborted, readers wait for its end. What a producer sent last is in the snapshot, so that no empty batch must stand
 * for it, as it must in Kafka. Offsets never change, and a batch of which all stays is not touched.
 */
export class CompactionPass implements BatchRewriter {
  /** Whether anything was left out or written anew, since this was set to false. */
  changed = false;
  readonly #options: PassOptions;
  /** Producers with records of a committed transaction, the end of which is still to come. */
  readonly #committing = new Set<number>();

  constructor(options: PassOptions) {
    this.#options = options;
  }

  async rewrite(batches: Buffer): Promise<readonly Buffer[]> {
    const kept: Buffer[] = [];
    for (
      const header = new BatchView(batches, 0);
      header.at < batches.length;
      header.moveTo(batches, header.end)
    ) {
      const batch = batches.subarray(header.at, header.end);
      const isLast = header.lastOffset === this.#options.lastOffset;
      const left = this.#rewriteBatch(batch, header) ?? (isLast ? emptied(batch, header) : null);
      if (left !== batch) this.changed = true;
      if (left !== null) kept.push(left);
    }
    await this.#options.pause(batches.length);
    return kept;
  }

  #rewriteBatch(batch: Buffer, header: BatchView): Buffer | null {
    if (header.isControl) {
      const stays = isAbort(batch, 0) || this.#committing.delete(header.producerId);
      return stays ? batch : null;
    }
    if (header.recordCount === 0) return null;
    if (isOfAborted(header, this.#options)) return null;
    const left = this.#keepLatest(batch, header);
    if (left !== null && header.isTransactional) this.#committing.add(header.producerId);
    return left;
  }

  /** What of the batch stays: all, less, or nothing (null). One that cannot be understood stays as it is. */
  #keepLatest(batch: Buffer, header: BatchView): Buffer | null {
    try {
      return this.#latestOf(batch, header);
    } catch (error) {
      if (error instanceof RecordFormatError) return batch;
      throw error;
    }
  }

  #latestOf(batch: Buffer, { attributes, baseTimestampMs, maxTimestampMs }: BatchView): Buffer | null {
    const { nowMs, deleteRetentionMs } = this.#options;
    const hasHorizon = (attributes & HAS_DELETE_HORIZON) !== 0;
    const keepsTombstones = !hasHorizon || nowMs < baseTimestampMs;
    const records = new RecordCursor().open(batch, 0);
    const kept = new KeptRecords(records);
    let total = 0;
    while (records.next()) {
      total++;
      // Beyond what is a time, it would not survive being written anew.
      if (records.timestampMs === NO_TIMESTAMP && baseTimestampMs !== NO_TIMESTAMP) return batch;
      records.readContent();
      if (!this.#isLatest(records)) continue;
      if (keepsTombstones || !records.isTombstone) kept.add();
    }
    if (kept.count === 0) return null;
    const getsHorizon = kept.hasTombstone && !hasHorizon && Number.isFinite(deleteRetentionMs);
    if (kept.count === total && !getsHorizon) return batch;
    const base = getsHorizon ? nowMs + deleteRetentionMs : baseTimestampMs;
    const body = compress(records.compression, getsHorizon ? kept.rebased(base) : kept.bytes());
    return withRecords(batch, 0, body, {
      attributes: getsHorizon ? attributes | HAS_DELETE_HORIZON : attributes,
      baseTimestampMs: base,
      maxTimestampMs: records.isLogAppendTime ? maxTimestampMs : kept.maxTimestampMs,
      recordCount: kept.count,
    });
  }

  #isLatest({ bytes, keyStart, keyLength, offset }: RecordCursor): boolean {
    if (keyLength < 0) return true;
    return offset >= this.#options.map.get(bytes, keyStart, keyStart + keyLength);
  }
}

/** Whether the batch is of a transaction that was aborted. */
export function isOfAborted(
  batch: BatchView,
  { abortedIn }: { abortedIn(from: number, below: number): readonly AbortedRange[] },
): boolean {
  if (!batch.isTransactional) return false;
  const { producerId, baseOffset, lastOffset } = batch;
  return abortedIn(baseOffset, lastOffset + 1).some(
    (range) =>
      range.producerId === producerId && range.firstOffset <= baseOffset && range.lastOffset > lastOffset,
  );
}

/** Which records of a batch stay: where they are, and what is in them. */
class KeptRecords {
  count = 0;
  hasTombstone = false;
  maxTimestampMs = Number.NEGATIVE_INFINITY;
  #length = 0;
  readonly #records: RecordCursor;
  /** Start, end, start of the content, timestamp and offset delta of each. */
  readonly #places: number[] = [];

  constructor(records: RecordCursor) {
    this.#records = records;
  }

  /** The current one. */
  add(): void {
    const { recordStart, contentStart, contentEnd, timestampMs, offset, baseOffset } = this.#records;
    this.count++;
    this.#length += contentEnd - recordStart;
    if (this.#records.isTombstone) this.hasTombstone = true;
    if (timestampMs > this.maxTimestampMs) this.maxTimestampMs = timestampMs;
    this.#places.push(recordStart, contentEnd, contentStart, timestampMs, offset - baseOffset);
  }

  /** As they are; those that lie side by side are copied together. */
  bytes(): Buffer {
    const places = this.#places;
    const { bytes } = this.#records;
    const output = Buffer.allocUnsafe(this.#length);
    let at = 0;
    for (let i = 0; i < places.length; ) {
      const start = places[i];
      let end = places[i + 1];
      for (i += 5; places[i] === end; i += 5) end = places[i + 1];
      at += bytes.copy(output, at, start, end);
    }
    return output;
  }

  /** With their timestamps as differences to this one. */
  rebased(baseTimestampMs: number): Buffer {
    const places = this.#places;
    const output = Buffer.allocUnsafe(this.#length + this.count * RECORD_OVERHEAD_MAX);
    let at = 0;
    for (let i = 0; i < places.length; i += 5) {
      const contentStart = places[i + 2];
      const contentEnd = places[i + 1];
      const timestampDelta = places[i + 3] - baseTimestampMs;
      const offsetDelta = places[i + 4];
      const length = recordLength(timestampDelta, offsetDelta, contentEnd - contentStart);
      at = writeLeadingFields(output, at, length, timestampDelta, offsetDelta);
      at += this.#records.bytes.copy(output, at, contentStart, contentEnd);
    }
    return output.subarray(0, at);
  }
}

/**
 * The last batch, of which nothing stays: a reader gets it all the same, and so comes to the end of the log. In Kafka the
 * segment with the end of the log is never compacted; clients that read up to the end wait until they are there.
 */
function emptied(batch: Buffer, { attributes, recordCount, isControl }: BatchView): Buffer {
  if (recordCount === 0 || isControl) return batch;
  return withRecords(batch, 0, NOTHING, {
    attributes: attributes & ~(COMPRESSION_MASK | HAS_DELETE_HORIZON),
    baseTimestampMs: NO_TIMESTAMP,
    recordCount: 0,
  });
}
