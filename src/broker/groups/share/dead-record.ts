import { BatchRecords } from '../../../records/batch-records.ts';
import { CompressionError } from '../../../records/compression/errors.ts';
import { batchBytes, readBatchHeader } from '../../../records/record-batch.ts';
import { readVarint, varintEnd, varintLength, writeVarint } from '../../../records/record-content.ts';

export interface FoundRecord {
  readonly timestampMs: number;
  /** See record-content.ts; a view. */
  readonly content: Buffer;
}

/**
 * The records with these offsets, which ascend, in the batches that lie back to back in `batches`. Those of a batch that
 * is not what its header promises, as its producer made it, are not found.
 */
export function findRecords(batches: Buffer, offsets: readonly number[]): Map<number, FoundRecord> {
  const found = new Map<number, FoundRecord>();
  let next = 0;
  for (let at = 0; at < batches.length && next < offsets.length; at += batchBytes(batches, at)) {
    const { baseOffset, lastOffset } = readBatchHeader(batches, at);
    while ((offsets[next] as number) < baseOffset) next++;
    const first = next;
    while (next < offsets.length && (offsets[next] as number) <= lastOffset) next++;
    if (next > first) findIn(batches, at, new Set(offsets.slice(first, next)), found);
  }
  return found;
}

function findIn(
  batches: Buffer,
  at: number,
  offsets: ReadonlySet<number>,
  found: Map<number, FoundRecord>,
): void {
  try {
    const records = new BatchRecords(batches, at);
    while (records.next()) {
      const { offset, timestampMs, bytes, contentStart, recordEnd } = records;
      if (offsets.has(offset)) {
        found.set(offset, { timestampMs, content: bytes.subarray(contentStart, recordEnd) });
      }
    }
  } catch (error) {
    if (!(error instanceof CompressionError || error instanceof RangeError)) throw error;
  }
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
