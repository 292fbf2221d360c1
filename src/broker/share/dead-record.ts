import { decompress } from '../../base/compression/compression.ts';
import { batchBytes, forEachRecord, isCompressed, readBatchHeader } from '../../log/record-batch.ts';
import { readVarint, varintEnd, varintLength, writeVarint } from '../../log/record-content.ts';
import type { Partition } from '../streams/partition.ts';

const HEADER_BYTES = 61;
const COMPRESSION_MASK = 0x07;
/** What one batch may come to when it is opened. */
const OPENED_BYTES_MAX = 256 * 1024 * 1024;

export interface FoundRecord {
  readonly timestampMs: number;
  /** See record-content.ts; a view. */
  readonly content: Buffer;
}

/** The records with these offsets in the batches that lie back to back in `batches`. */
export function findRecords(batches: Buffer, offsets: ReadonlySet<number>): Map<number, FoundRecord> {
  const found = new Map<number, FoundRecord>();
  for (let at = 0; at < batches.length; at += batchBytes(batches, at)) {
    const { baseOffset, lastOffset } = readBatchHeader(batches, at);
    if (!hasAny(offsets, baseOffset, lastOffset)) continue;
    const batch = opened(batches.subarray(at, at + batchBytes(batches, at)));
    forEachRecord(batch, 0, batch.length, (offset, timestampMs, buffer, start, length) => {
      if (offsets.has(offset)) {
        found.set(offset, { timestampMs, content: buffer.subarray(start, start + length) });
      }
    });
  }
  return found;
}

/** The first offset with a record of this time or a later one; where the partition ends if there is none. */
export async function offsetAtTime(partition: Partition, timestampMs: number): Promise<number> {
  const { highWatermark } = partition;
  const batch = await partition.batchAtTime(timestampMs);
  let first = highWatermark;
  if (batch !== null) {
    const whole = opened(batch);
    forEachRecord(whole, 0, whole.length, (offset, recordMs) => {
      if (recordMs >= timestampMs) first = Math.min(first, offset);
    });
  }
  return first;
}

function hasAny(offsets: ReadonlySet<number>, first: number, last: number): boolean {
  for (const offset of offsets) if (offset >= first && offset <= last) return true;
  return false;
}

/** The same batch with its records as they were before they were compressed. Its checksum is not right any more. */
function opened(batch: Buffer): Buffer {
  const { attributes } = readBatchHeader(batch, 0);
  if (!isCompressed(attributes)) return batch;
  const records = decompress(attributes & COMPRESSION_MASK, batch.subarray(HEADER_BYTES), OPENED_BYTES_MAX);
  const whole = Buffer.concat([batch.subarray(0, HEADER_BYTES), records]);
  whole.writeInt32BE(whole.length - 12, 8);
  whole.writeInt16BE(attributes & ~COMPRESSION_MASK, 21);
  return whole;
}

/** The content with more headers, behind those that it has. */
export function withHeaders(content: Buffer, headers: readonly (readonly [string, string])[]): Buffer {
  const key = skipBytes(content, 0);
  const countAt = skipBytes(content, key);
  const count = readVarint(content, countAt);
  const rest = content.subarray(varintEnd(content, countAt));
  const parts: Buffer[] = [content.subarray(0, countAt), varint(count + headers.length), rest];
  for (const [name, value] of headers) {
    const nameBytes = Buffer.from(name, 'utf8');
    const valueBytes = Buffer.from(value, 'utf8');
    parts.push(varint(nameBytes.length), nameBytes, varint(valueBytes.length), valueBytes);
  }
  return Buffer.concat(parts);
}

/** The position behind a length and as many bytes; -1 stands for nothing. */
function skipBytes(content: Buffer, at: number): number {
  return varintEnd(content, at) + Math.max(0, readVarint(content, at));
}

function varint(value: number): Buffer {
  const bytes = Buffer.alloc(varintLength(value));
  writeVarint(bytes, 0, value);
  return bytes;
}
