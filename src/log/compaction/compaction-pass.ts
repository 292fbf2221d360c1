import { crc32c } from '../../base/crc32c.ts';
import { BatchRecords } from '../../records/batch-records.ts';
import { compress } from '../../records/compression/compression.ts';
import { CompressionError } from '../../records/compression/errors.ts';
import { isAbort, isControl, isTransactional, producerIdOf } from '../../records/producer-fields.ts';
import {
  BATCH_HEADER_BYTES,
  type BatchHeader,
  readBatchHeader,
  varlongLength,
  writeInt64,
  writeVarlong,
} from '../../records/record-batch.ts';
import { varintLength, writeVarint } from '../../records/record-content.ts';
import type { BatchRewriter } from '../segments/segment-rewriter.ts';
import type { AbortedRange } from '../streams/retention-settings.ts';
import type { OffsetMap } from './offset-map.ts';

/** With this attribute the base timestamp is when records without a value may go (KIP-534). */
const HAS_DELETE_HORIZON = 0x40;
const COMPRESSION_MASK = 0x07;
const NO_TIMESTAMP = -1;
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
    for (let at = 0; at < batches.length; ) {
      const header = readBatchHeader(batches, at);
      const batch = batches.subarray(at, at + header.bytes);
      const isLast = header.lastOffset === this.#options.lastOffset;
      const left = this.#rewriteBatch(batch, header) ?? (isLast ? emptied(batch, header) : null);
      if (left !== batch) this.changed = true;
      if (left !== null) kept.push(left);
      at += header.bytes;
    }
    await this.#options.pause(batches.length);
    return kept;
  }

  #rewriteBatch(batch: Buffer, header: BatchHeader): Buffer | null {
    if (isControl(batch, 0)) return this.#keepsEnd(batch) ? batch : null;
    if (header.recordCount === 0) return null;
    if (isOfAborted(batch, 0, header, this.#options)) return null;
    const left = this.#keepLatest(batch, header);
    if (left !== null && isTransactional(batch, 0)) this.#committing.add(producerIdOf(batch, 0));
    return left;
  }

  #keepsEnd(batch: Buffer): boolean {
    return isAbort(batch, 0) || this.#committing.delete(producerIdOf(batch, 0));
  }

  /** What of the batch stays: all, less, or nothing (null). One that cannot be understood stays as it is. */
  #keepLatest(batch: Buffer, header: BatchHeader): Buffer | null {
    try {
      return this.#latestOf(batch, header);
    } catch (error) {
      if (error instanceof CompressionError || error instanceof RangeError) return batch;
      throw error;
    }
  }

  #latestOf(batch: Buffer, { attributes, baseTimestampMs, maxTimestampMs }: BatchHeader): Buffer | null {
    const { nowMs, deleteRetentionMs } = this.#options;
    const hasHorizon = (attributes & HAS_DELETE_HORIZON) !== 0;
    const keepsDeletions = !hasHorizon || nowMs < baseTimestampMs;
    const records = new BatchRecords(batch, 0);
    const kept = new KeptRecords(records);
    let total = 0;
    while (records.next()) {
      total++;
      if (!this.#isLatest(records)) continue;
      if (keepsDeletions || !records.isDeletion) kept.add();
    }
    if (kept.count === 0) return null;
    const getsHorizon = kept.hasDeletion && !hasHorizon && Number.isFinite(deleteRetentionMs);
    if (kept.count === total && !getsHorizon) return batch;
    const base = getsHorizon ? nowMs + deleteRetentionMs : baseTimestampMs;
    return batchOf(batch, {
      body: compress(records.compression, getsHorizon ? kept.rebased(base) : kept.bytes()),
      attributes: getsHorizon ? attributes | HAS_DELETE_HORIZON : attributes,
      baseTimestampMs: base,
      maxTimestampMs: records.isLogAppendTime ? maxTimestampMs : kept.maxTimestampMs,
      recordCount: kept.count,
    });
  }

  #isLatest({ bytes, keyStart, keyLength, offset }: BatchRecords): boolean {
    if (keyLength < 0) return true;
    return offset >= this.#options.map.get(bytes, keyStart, keyStart + keyLength);
  }
}

/** Whether the batch at `at` is of a transaction that was aborted. */
export function isOfAborted(
  bytes: Buffer,
  at: number,
  { baseOffset, lastOffset }: BatchHeader,
  { abortedIn }: { abortedIn(from: number, below: number): readonly AbortedRange[] },
): boolean {
  if (!isTransactional(bytes, at)) return false;
  const producerId = producerIdOf(bytes, at);
  return abortedIn(baseOffset, lastOffset + 1).some(
    (range) =>
      range.producerId === producerId && range.firstOffset <= baseOffset && range.lastOffset > lastOffset,
  );
}

/** Which records of a batch stay: where they are, and what is in them. */
class KeptRecords {
  count = 0;
  hasDeletion = false;
  maxTimestampMs = Number.NEGATIVE_INFINITY;
  #length = 0;
  readonly #records: BatchRecords;
  /** Start, end, start of the content, timestamp and offset delta of each. */
  readonly #places: number[] = [];

  constructor(records: BatchRecords) {
    this.#records = records;
  }

  /** The current one. */
  add(): void {
    const { recordStart, recordEnd, contentStart, timestampMs, offset, baseOffset } = this.#records;
    this.count++;
    this.#length += recordEnd - recordStart;
    if (this.#records.isDeletion) this.hasDeletion = true;
    if (timestampMs > this.maxTimestampMs) this.maxTimestampMs = timestampMs;
    this.#places.push(recordStart, recordEnd, contentStart, timestampMs, offset - baseOffset);
  }

  /** As they are; those that lie side by side are copied together. */
  bytes(): Buffer {
    const places = this.#places;
    const { bytes } = this.#records;
    const output = Buffer.allocUnsafe(this.#length);
    let at = 0;
    for (let i = 0; i < places.length; ) {
      const start = places[i] as number;
      let end = places[i + 1] as number;
      for (i += 5; places[i] === end; i += 5) end = places[i + 1] as number;
      at += bytes.copy(output, at, start, end);
    }
    return output;
  }

  /** With their timestamps as differences to this one. */
  rebased(baseTimestampMs: number): Buffer {
    const places = this.#places;
    const output = Buffer.allocUnsafe(this.#length + this.count * 16);
    let at = 0;
    for (let i = 0; i < places.length; i += 5) {
      const contentStart = places[i + 2] as number;
      const recordEnd = places[i + 1] as number;
      const timestampDelta = (places[i + 3] as number) - baseTimestampMs;
      const offsetDelta = places[i + 4] as number;
      const contentBytes = recordEnd - contentStart;
      const length = 1 + varlongLength(timestampDelta) + varintLength(offsetDelta) + contentBytes;
      at = writeVarint(output, at, length);
      output[at++] = 0;
      at = writeVarlong(output, at, timestampDelta);
      at = writeVarint(output, at, offsetDelta);
      at += this.#records.bytes.copy(output, at, contentStart, recordEnd);
    }
    return output.subarray(0, at);
  }
}

/**
 * The last batch, of which nothing stays: a reader gets it all the same, and so comes to the end of the log. In Kafka the
 * segment with the end of the log is never compacted; clients that read up to the end wait until they are there.
 */
function emptied(batch: Buffer, { attributes, maxTimestampMs, recordCount }: BatchHeader): Buffer {
  if (recordCount === 0 || isControl(batch, 0)) return batch;
  return batchOf(batch, {
    body: NOTHING,
    attributes: attributes & ~(COMPRESSION_MASK | HAS_DELETE_HORIZON),
    baseTimestampMs: NO_TIMESTAMP,
    maxTimestampMs,
    recordCount: 0,
  });
}

interface Changes {
  readonly body: Buffer;
  readonly attributes: number;
  readonly baseTimestampMs: number;
  readonly maxTimestampMs: number;
  readonly recordCount: number;
}

/** The batch with other records, for the same offsets and of the same producer. */
function batchOf(original: Buffer, changes: Changes): Buffer {
  const batch = Buffer.allocUnsafe(BATCH_HEADER_BYTES + changes.body.length);
  original.copy(batch, 0, 0, BATCH_HEADER_BYTES);
  changes.body.copy(batch, BATCH_HEADER_BYTES);
  batch.writeInt32BE(batch.length - 12, 8);
  batch.writeInt16BE(changes.attributes, 21);
  writeInt64(batch, 27, changes.baseTimestampMs);
  writeInt64(batch, 35, changes.maxTimestampMs);
  batch.writeInt32BE(changes.recordCount, 57);
  batch.writeUInt32BE(crc32c(batch.subarray(21)), 17);
  return batch;
}
