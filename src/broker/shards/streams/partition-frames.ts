import type { AbortedTransaction } from '../../streams/producers/aborted-transactions.ts';
import type { PartitionOffsets } from '../../streams/readable-partition.ts';

/**
 * Reading partitions of another shard. Little-endian:
 *
 *     READ      0                4               8           16
 *               | number, u32    | id of log u32 | from f64  | bytes at most f64 |
 *     SLICE     0                4               8           16                 20     24
 *               | number, u32    | outcome u32   | next f64  | aborted, u32       | zero | aborted * | batches … |
 *     aborted   | producer id f64 | first offset f64 | last offset f64 |
 *     OFFSETS   | partition … |
 *     partition | id of log u32 | state u32 | start f64 | high watermark f64 | last stable f64 | end f64 | recovered end f64 |
 */
export const READ_BYTES = 24;
export const SLICE_HEAD_BYTES = 24;
export const ABORTED_BYTES = 24;
export const OFFSETS_BYTES = 48;

export const OUTCOME_READ = 0;
export const OUTCOME_GONE = 1;
export const OUTCOME_CORRUPT = 2;

const STATE_GONE = 1;
const STATE_CORRUPT = 2;

export function encodeAborted(all: readonly AbortedTransaction[]): Buffer {
  const bytes = Buffer.allocUnsafe(all.length * ABORTED_BYTES);
  for (const [index, { producerId, firstOffset, lastOffset }] of all.entries()) {
    const at = index * ABORTED_BYTES;
    bytes.writeDoubleLE(producerId, at);
    bytes.writeDoubleLE(firstOffset, at + 8);
    bytes.writeDoubleLE(lastOffset, at + 16);
  }
  return bytes;
}

export function decodeAborted(buffer: Buffer, start: number, count: number): AbortedTransaction[] {
  return Array.from({ length: count }, (_, index) => {
    const at = start + index * ABORTED_BYTES;
    return {
      producerId: buffer.readDoubleLE(at),
      firstOffset: buffer.readDoubleLE(at + 8),
      lastOffset: buffer.readDoubleLE(at + 16),
    };
  });
}

/** Null for one that is gone. */
export function writeOffsets(bytes: Buffer, at: number, id: number, offsets: PartitionOffsets | null): void {
  bytes.writeUInt32LE(id, at);
  bytes.writeUInt32LE(offsets === null ? STATE_GONE : offsets.isCorrupt ? STATE_CORRUPT : 0, at + 4);
  bytes.writeDoubleLE(offsets?.startOffset ?? 0, at + 8);
  bytes.writeDoubleLE(offsets?.highWatermark ?? 0, at + 16);
  bytes.writeDoubleLE(offsets?.lastStableOffset ?? 0, at + 24);
  bytes.writeDoubleLE(offsets?.endOffset ?? 0, at + 32);
  bytes.writeDoubleLE(offsets?.recoveredEnd ?? 0, at + 40);
}

export function readOffsets(buffer: Buffer, at: number): PartitionOffsets | null {
  const state = buffer.readUInt32LE(at + 4);
  if (state === STATE_GONE) return null;
  return {
    startOffset: buffer.readDoubleLE(at + 8),
    highWatermark: buffer.readDoubleLE(at + 16),
    lastStableOffset: buffer.readDoubleLE(at + 24),
    endOffset: buffer.readDoubleLE(at + 32),
    recoveredEnd: buffer.readDoubleLE(at + 40),
    isCorrupt: state === STATE_CORRUPT,
  };
}
