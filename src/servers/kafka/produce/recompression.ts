import { crc32c } from '../../../base/crc32c.ts';
import type { StreamSettings } from '../../../broker/streams/stream-settings.ts';
import { type BatchFault, BatchView } from '../../../records/batch-view.ts';
import { COMPRESSION, compress, decompress } from '../../../records/compression/compression.ts';
import { CompressionError } from '../../../records/compression/errors.ts';

const HEADER_BYTES = 61;
/** `batchLength` counts the bytes after itself. */
const LENGTH_AT = 8;
const LENGTH_OVERHEAD = 12;
const CRC_AT = 17;
const ATTRIBUTES_AT = 21;
const COMPRESSION_MASK = 0x07;
const DECOMPRESSED_BYTES_MAX = 64 * 1024 * 1024;

const view = new BatchView(Buffer.alloc(0), 0);

/**
 * The verified batch in `bytes[start, end)`, recompressed by `compression.type` of the topic; null if that is its
 * compression already; a fault if its records cannot be decompressed.
 */
export function recompressed(
  bytes: Buffer,
  start: number,
  end: number,
  { compression, gzipLevel, zstdLevel }: StreamSettings,
): Buffer | BatchFault | null {
  if (compression === 'producer') return null;
  view.moveTo(bytes, start);
  const wanted = COMPRESSION[compression === 'uncompressed' ? 'none' : compression];
  if (view.compression === wanted) return null;
  let records: Buffer;
  try {
    records = decompress(view.compression, bytes.subarray(start + HEADER_BYTES, end), DECOMPRESSED_BYTES_MAX);
  } catch (error) {
    if (!(error instanceof CompressionError)) throw error;
    return { error: 'INVALID_RECORD', text: error.message };
  }
  const body = compress(wanted, records, compression === 'gzip' ? gzipLevel : zstdLevel);
  const batch = Buffer.allocUnsafe(HEADER_BYTES + body.length);
  bytes.copy(batch, 0, start, start + HEADER_BYTES);
  body.copy(batch, HEADER_BYTES);
  batch.writeInt32BE(batch.length - LENGTH_OVERHEAD, LENGTH_AT);
  const attributes = batch.readInt16BE(ATTRIBUTES_AT);
  batch.writeInt16BE((attributes & ~COMPRESSION_MASK) | wanted, ATTRIBUTES_AT);
  batch.writeUInt32BE(crc32c(batch.subarray(ATTRIBUTES_AT)), CRC_AT);
  return batch;
}
