import { COMPRESSION_MASK, HAS_DELETE_HORIZON, NO_TIMESTAMP } from '../../records/batch-layout.ts';
import { BatchView } from '../../records/batch-view.ts';
import { withRecords } from '../../records/batch-writer.ts';
import type { BatchOpener } from '../../records/opening/batch-opener.ts';
import { openBatch } from '../../records/opening/open-batch.ts';
import type { RecordCursor } from '../../records/record-cursor.ts';
import { RecordFormatError } from '../../records/record-format-error.ts';
import { isAbort } from '../../records/transaction-marker.ts';
import type { BatchRewriter } from '../segments/segment-rewriter.ts';
import type { AbortedRange } from '../streams/retention-settings.ts';
import { KeptRecords } from './kept-records.ts';
import type { OffsetMap } from './offset-map.ts';

const NOTHING = Buffer.alloc(0);
/** Records of one batch that are looked at before others have a turn. */
const RECORDS_PER_SLICE = 8192;

export interface PassOptions {
  readonly map: OffsetMap;
  readonly nowMs: number;
  readonly deleteRetentionMs: number;
  /** The last one that is looked at: a batch that has it stays, if only for its offset. */
  readonly lastOffset: number;
  abortedIn(from: number, below: number): readonly AbortedRange[];
  /** After each piece of work, of so many bytes. */
  pause(bytes: number): Promise<void>;
  readonly opener: BatchOpener;
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
      const left =
        (await this.#rewriteBatch(batch, new BatchView(batch, 0))) ??
        (isLast ? emptied(batch, header) : null);
      if (left !== batch) this.changed = true;
      if (left !== null) kept.push(left);
    }
    await this.#options.pause(batches.length);
    return kept;
  }

  async #rewriteBatch(batch: Buffer, header: BatchView): Promise<Buffer | null> {
    if (header.isControl) {
      const stays = isAbort(batch, 0) || this.#committing.delete(header.producerId);
      return stays ? batch : null;
    }
    if (header.recordCount === 0) return null;
    if (isOfAborted(header, this.#options)) return null;
    const left = await this.#keepLatest(batch, header);
    if (left !== null && header.isTransactional) this.#committing.add(header.producerId);
    return left;
  }

  /** What of the batch stays: all, less, or nothing (null). One that cannot be understood stays as it is. */
  async #keepLatest(batch: Buffer, header: BatchView): Promise<Buffer | null> {
    try {
      return await this.#latestOf(batch, header);
    } catch (error) {
      if (error instanceof RecordFormatError) return batch;
      throw error;
    }
  }

  async #latestOf(
    batch: Buffer,
    { attributes, baseTimestampMs, maxTimestampMs }: BatchView,
  ): Promise<Buffer | null> {
    const { nowMs, deleteRetentionMs, opener, pause } = this.#options;
    const hasHorizon = (attributes & HAS_DELETE_HORIZON) !== 0;
    const keepsTombstones = !hasHorizon || nowMs < baseTimestampMs;
    const records = await openBatch(opener, batch, 0);
    const kept = new KeptRecords(batch, records, () => pause(0));
    for (let total = 1; records.next(); total++) {
      if (total % RECORDS_PER_SLICE === 0) await pause(0);
      // Beyond what is a time, it would not survive being written anew.
      if (records.timestampMs === NO_TIMESTAMP && baseTimestampMs !== NO_TIMESTAMP) return batch;
      records.readContent();
      kept.decide(this.#isLatest(records) && (keepsTombstones || !records.isTombstone));
    }
    if (kept.count === 0) return null;
    const getsHorizon = kept.hasTombstone && !hasHorizon && Number.isFinite(deleteRetentionMs);
    if (kept.count === kept.total && !getsHorizon) return batch;
    const base = getsHorizon ? nowMs + deleteRetentionMs : baseTimestampMs;
    const body = await opener.compress(
      records.compression,
      getsHorizon ? await kept.rebased(base) : await kept.bytes(),
    );
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
