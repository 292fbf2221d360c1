import type { StreamSettings } from '../../../broker/streams/stream-settings.ts';
import { BATCH_HEADER_BYTES, COMPRESSION_MASK } from '../../../records/batch-layout.ts';
import { BatchView } from '../../../records/batch-view.ts';
import { withRecords } from '../../../records/batch-writer.ts';
import {
  COMPRESSION,
  compress,
  DECOMPRESSED_BYTES_MAX,
  decompress,
} from '../../../records/compression/compression.ts';
import { CompressionError } from '../../../records/compression/errors.ts';
import type { BatchFault } from '../../../wire/kafka/produced-batch.ts';

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
    const source = bytes.subarray(start + BATCH_HEADER_BYTES, end);
    records = decompress(view.compression, source, DECOMPRESSED_BYTES_MAX);
  } catch (error) {
    if (!(error instanceof CompressionError)) throw error;
    return { error: 'INVALID_RECORD', text: error.message };
  }
  const body = compress(wanted, records, compression === 'gzip' ? gzipLevel : zstdLevel);
  return withRecords(bytes, start, body, { attributes: (view.attributes & ~COMPRESSION_MASK) | wanted });
}
