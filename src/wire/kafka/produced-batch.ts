import { verifyBatch } from '../../records/batch-checksum.ts';
import { BATCH_HEADER_BYTES, BATCH_MAGIC, COMMON_HEADER_BYTES } from '../../records/batch-layout.ts';
import { BatchView, magicOf } from '../../records/batch-view.ts';
import { COMPRESSION, DECOMPRESSED_BYTES_MAX } from '../../records/compression/compression.ts';
import type { ErrorName } from './error-codes.ts';

/** Length, attributes, two deltas, lengths of key and value, number of headers: a byte each. */
const RECORD_BYTES_MIN = 7;

const batch = new BatchView(Buffer.alloc(0), 0);

/** What is wrong with a batch: the error that the protocol has for it, and words. */
export interface BatchFault {
  readonly error: ErrorName;
  readonly text: string;
}

/**
 * Whether a whole, uncorrupted batch lies at `at`, and ends at or before `end`; null if it does. Its records are not
 * looked at.
 */
export function findBatchFault(bytes: Buffer, at: number, end: number): BatchFault | null {
  if (end - at >= COMMON_HEADER_BYTES && magicOf(bytes, at) < BATCH_MAGIC) {
    return invalid(
      `messages of the old format v${magicOf(bytes, at)}: record batches of format v${BATCH_MAGIC} are needed`,
    );
  }
  const fault = verifyBatch(bytes, at, end, true);
  return fault === null ? null : corrupt(fault);
}

/**
 * What a producer may send for a partition: exactly one batch, with as many records as it has offsets, and no control
 * records, which only brokers write. Gives the fault that Kafka would find, null if there is none.
 */
export function findProducedFault(bytes: Buffer, start: number, end: number): BatchFault | null {
  const fault = findBatchFault(bytes, start, end);
  if (fault !== null) return fault;
  batch.moveTo(bytes, start);
  if (batch.end !== end) return invalid('exactly one record batch is allowed for each partition');
  if (batch.recordCount <= 0) return invalid(`a batch of ${batch.recordCount} records`);
  if (batch.lastOffsetDelta !== batch.recordCount - 1) {
    return invalid(`a batch of ${batch.recordCount} records whose last has number ${batch.lastOffsetDelta}`);
  }
  const bytesMax =
    batch.compression === COMPRESSION.none ? end - start - BATCH_HEADER_BYTES : DECOMPRESSED_BYTES_MAX;
  if (batch.recordCount * RECORD_BYTES_MIN > bytesMax) {
    return invalid(`a batch of ${batch.recordCount} records in ${end - start} bytes`);
  }
  if (batch.isControl) return invalid('clients may not write control records');
  if (batch.producerId >= 0 && batch.baseSequence < 0) {
    return invalid(`sequence number ${batch.baseSequence} in a batch of producer ${batch.producerId}`);
  }
  if (batch.producerId < 0 && batch.isTransactional) {
    return invalid('a transactional batch without a producer id');
  }
  if (batch.compression > COMPRESSION.zstd)
    return invalid(`compression type ${batch.compression} does not exist`);
  return null;
}

function corrupt(text: string): BatchFault {
  return { error: 'CORRUPT_MESSAGE', text };
}

function invalid(text: string): BatchFault {
  return { error: 'INVALID_RECORD', text };
}
