import { freshMemory, type Memory } from '../../base/memory-pool.ts';
import { verifyBatch } from '../../records/batch-checksum.ts';
import { BATCH_HEADER_BYTES, BATCH_MAGIC } from '../../records/batch-layout.ts';
import { BatchView, batchBytes, magicOf } from '../../records/batch-view.ts';
import { CorruptionError, readFailure } from '../corruption.ts';
import type { File } from '../files/filesystem.ts';
import { LogSlice } from './log-slice.ts';
import { OffsetIndex } from './offset-index.ts';
import type { Segment, SegmentInfo } from './segment.ts';

/** While looking through headers: small when batches are large and most bytes would be read for nothing. */
const SCAN_BYTES_MIN = 4 * 1024;
const SCAN_BYTES_MAX = 256 * 1024;
/** Less than this is read rather than jumped over: a call costs more. */
const SKIP_BYTES_MIN = 64 * 1024;
const VERIFY_BYTES = 1024 * 1024;
const NOTHING = Buffer.alloc(0);

/** The size of the batch at `at` in a file that should hold whole batches up to `end`, or a CorruptionError. */
function soundBatchBytes(path: string, buffer: Buffer, at: number, position: number, end: number): number {
  const bytes = batchBytes(buffer, at);
  if (bytes < BATCH_HEADER_BYTES || bytes > end - position) {
    throw new CorruptionError(
      path,
      position,
      `a batch length of ${bytes} bytes where ${end - position} are left`,
    );
  }
  const magic = magicOf(buffer, at);
  if (magic !== BATCH_MAGIC) {
    throw new CorruptionError(path, position, `magic byte ${magic} instead of ${BATCH_MAGIC}`);
  }
  return bytes;
}

/** As `soundBatchBytes`, with the checksum verified; -1 if the batch goes on behind the buffer, or is corrupt and not the first. */
function verifiedBatchBytes(
  path: string,
  buffer: Buffer,
  at: number,
  position: number,
  end: number,
  isForeign: boolean,
): number {
  try {
    const bytes = soundBatchBytes(path, buffer, at, position, end);
    if (bytes > buffer.length - at) return -1;
    const fault = verifyBatch(buffer, at, at + bytes, isForeign);
    if (fault !== null) throw new CorruptionError(path, position, fault);
    return bytes;
  } catch (error) {
    if (at > 0) return -1;
    throw error;
  }
}

/**
 * Reads exactly `bytes` bytes that must be there. Where the system cannot give all of them, as there is a bad sector
 * among them, it is tried with the first `leastBytes`.
 */
async function readExactlyOrLess(
  file: File,
  path: string,
  position: number,
  bytes: number,
  leastBytes: number,
  memory: Memory,
): Promise<Buffer> {
  try {
    return await readExactly(file, path, position, bytes, memory);
  } catch (error) {
    const isUnreadable = error instanceof CorruptionError && error.cause !== undefined;
    if (!isUnreadable || leastBytes >= bytes) throw error;
    return readExactly(file, path, position, leastBytes, memory);
  }
}

/** Reads exactly `bytes` bytes that must be there. */
async function readExactly(
  file: File,
  path: string,
  position: number,
  bytes: number,
  memory: Memory = freshMemory,
): Promise<Buffer> {
  const buffer = memory.take(bytes);
  let count: number;
  try {
    count = await file.read(buffer, position);
  } catch (error) {
    throw readFailure(error, path, position);
  }
  if (count < bytes) {
    throw new CorruptionError(
      path,
      position + count,
      `the file ends here, but ${bytes - count} more bytes were written`,
    );
  }
  return buffer;
}

/**
 * Whole batches from `position` (a batch boundary before `end`) on: as many as fit in `maxBytes`, one at least, their
 * checksums verified. Sound batches before a corrupt one are given; the corruption is reported when a read begins there.
 */
export async function readBatches(
  file: File,
  path: string,
  position: number,
  end: number,
  maxBytes: number,
  isForeign = false,
  memory: Memory = freshMemory,
): Promise<Buffer> {
  let wanted = Math.min(Math.max(maxBytes, BATCH_HEADER_BYTES), end - position);
  let least = BATCH_HEADER_BYTES;
  for (;;) {
    const buffer = await readExactlyOrLess(file, path, position, wanted, least, memory);
    let at = 0;
    while (buffer.length - at >= BATCH_HEADER_BYTES) {
      const bytes = verifiedBatchBytes(path, buffer, at, position + at, end, isForeign);
      if (bytes < 0) break;
      at += bytes;
    }
    if (at > 0) return buffer.subarray(0, at);
    if (wanted < BATCH_HEADER_BYTES) {
      throw new CorruptionError(path, position, `${wanted} bytes are too few for a record batch`);
    }
    wanted = batchBytes(buffer, 0);
    least = wanted;
  }
}

/** Whole batches from the one that reaches `fromOffset` on; null if none of the segment does. */
export async function readSlice(
  file: File,
  segment: Segment,
  fromOffset: number,
  maxBytes: number,
  memory: Memory = freshMemory,
): Promise<LogSlice | null> {
  const { path, endOffset, bytes: end } = segment; // an append may move them while we read
  let { position, offset: nextOffset } = segment.locate(fromOffset);
  while (position < end) {
    const batches = await readBatches(file, path, position, end, maxBytes, segment.isForeign, memory);
    const batch = new BatchView(batches, 0);
    let start = -1;
    let records = 0;
    while (batch.at < batches.length) {
      const fault = faultOfOffsets(batch, nextOffset, endOffset, segment.isDense);
      if (fault !== null) {
        if (start < 0) throw new CorruptionError(path, position + batch.at, fault);
        break;
      }
      nextOffset = batch.lastOffset + 1;
      if (start < 0 && nextOffset > fromOffset) start = batch.at;
      // A stream's batch without records still tells its reader how far it has come.
      if (start >= 0) records += segment.isForeign ? 1 : batch.recordCount;
      batch.moveTo(batches, batch.end);
    }
    const at = batch.at;
    position += at;
    if (start >= 0) {
      segment.readUpTo(nextOffset, position);
      return new LogSlice(batches.subarray(start, at), fromOffset, nextOffset, records);
    }
  }
  return null;
}

/** What is wrong with the offsets of a batch, which its checksum does not cover; null if nothing is. */
export function faultOfOffsets(
  { baseOffset, lastOffset }: Pick<BatchView, 'baseOffset' | 'lastOffset'>,
  nextOffset: number,
  endOffset: number,
  isDense: boolean,
): string | null {
  const begins = isDense ? baseOffset === nextOffset : baseOffset >= nextOffset;
  if (begins && lastOffset >= baseOffset && lastOffset < endOffset) return null;
  return `offsets ${baseOffset} to ${lastOffset} where ${nextOffset} to ${endOffset} belong`;
}

/**
 * Looks through the headers of a segment that was written before this process started: its index, or a CorruptionError
 * if the file is not the chain of batches that `info` promises. Checksums are left for the reads.
 */
export async function scanSegment(file: File, segment: Segment): Promise<OffsetIndex> {
  const { path, isForeign } = segment;
  const info = segment.info();
  const size = await file.size().catch((error) => {
    throw readFailure(error, path, 0);
  });
  if (size < info.bytes) {
    throw new CorruptionError(
      path,
      size,
      `the file ends here, but ${info.bytes - size} more bytes were written`,
    );
  }
  try {
    return await scanHeaders(file, path, info, segment.isDense);
  } catch (error) {
    // A corrupt length leads astray, and shows only further on. The checksums tell where it began.
    if (error instanceof CorruptionError) await verifyAll(file, path, info.bytes, isForeign);
    throw error;
  }
}

async function verifyAll(file: File, path: string, end: number, isForeign: boolean): Promise<void> {
  for (let position = 0; position < end; ) {
    position += (await readBatches(file, path, position, end, VERIFY_BYTES, isForeign)).length;
  }
}

async function scanHeaders(
  file: File,
  path: string,
  info: SegmentInfo,
  isDense: boolean,
): Promise<OffsetIndex> {
  const index = new OffsetIndex();
  const batch = new BatchView(NOTHING, 0);
  let window: Buffer = NOTHING;
  let windowStart = 0;
  let windowBytes = SCAN_BYTES_MIN;
  let nextOffset = info.baseOffset;
  let position = 0;
  while (position < info.bytes) {
    if (info.bytes - position < BATCH_HEADER_BYTES) {
      throw new CorruptionError(
        path,
        position,
        `${info.bytes - position} bytes are too few for a record batch`,
      );
    }
    if (position + BATCH_HEADER_BYTES > windowStart + window.length) {
      const skipped = position - (windowStart + window.length);
      windowBytes = skipped > SKIP_BYTES_MIN ? SCAN_BYTES_MIN : Math.min(windowBytes * 2, SCAN_BYTES_MAX);
      const wanted = Math.min(windowBytes, info.bytes - position);
      window = await readExactlyOrLess(file, path, position, wanted, BATCH_HEADER_BYTES, freshMemory);
      windowStart = position;
    }
    const at = position - windowStart;
    const bytes = soundBatchBytes(path, window, at, position, info.bytes);
    batch.moveTo(window, at);
    const fault = faultOfOffsets(batch, nextOffset, info.endOffset, isDense);
    if (fault !== null) throw new CorruptionError(path, position, fault);
    index.add(batch.baseOffset, position, batch.maxTimestampMs);
    nextOffset = batch.lastOffset + 1;
    position += bytes;
  }
  return index;
}

/** The first batch from `fromOffset` on with a timestamp of `timestampMs` or later; null if the segment has none. */
export async function findBatchByTime(
  file: File,
  segment: Segment,
  timestampMs: number,
  fromOffset: number,
): Promise<Buffer | null> {
  const { path, bytes: end, endOffset, index } = segment;
  const byTime = index.lookupTime(timestampMs);
  if (byTime === null) return null;
  const byOffset = segment.locate(fromOffset);
  let { position, offset: nextOffset } = byOffset.position > byTime.position ? byOffset : byTime;
  while (position < end) {
    const batches = await readBatches(file, path, position, end, SCAN_BYTES_MAX, segment.isForeign);
    for (
      const batch = new BatchView(batches, 0);
      batch.at < batches.length;
      batch.moveTo(batches, batch.end)
    ) {
      const fault = faultOfOffsets(batch, nextOffset, endOffset, segment.isDense);
      if (fault !== null) throw new CorruptionError(path, position + batch.at, fault);
      nextOffset = batch.lastOffset + 1;
      if (batch.lastOffset >= fromOffset && batch.maxTimestampMs >= timestampMs) {
        return batches.subarray(batch.at, batch.end);
      }
    }
    position += batches.length;
  }
  return null;
}
