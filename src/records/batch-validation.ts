import { BATCH_HEADER_BYTES, COMPRESSION_MASK } from './batch-layout.ts';
import { BatchView } from './batch-view.ts';
import { withRecords } from './batch-writer.ts';
import {
  COMPRESSION,
  compress,
  DECOMPRESSED_BYTES_MAX,
  DECOMPRESSION_RATIO_MAX,
  decompress,
  decompressedBytesMax,
} from './compression/compression.ts';
import { CompressionError } from './compression/errors.ts';
import { RecordsWalk } from './records-walk.ts';

/** What is asked of the records of a batch, beside that they are well formed. */
export interface BatchDemands {
  /** Each record has a key: the topic is compacted. */
  readonly wantsKeys: boolean;
  /** In which compression the records are to be stored, a code of compression.ts; -1 for the one they come in. */
  readonly compression: number;
  /** Of gzip or zstd; undefined for the usual one. */
  readonly level: number | undefined;
}

/** Why a batch is refused. `records` are those at fault, none if it is the batch as a whole. */
export interface RecordsFault {
  readonly reason: 'invalid' | 'too-large';
  readonly text: string;
  readonly records: readonly { readonly index: number; readonly text: string }[];
}

export interface ValidatedBatch {
  readonly fault: RecordsFault | null;
  /** A record claims to be a message that the broker wrote: the batch has to be marked (`markForeignEnvelope`). */
  readonly hasEnvelope: boolean;
  /** The batch to store in its place, if it had another compression. */
  readonly recompressed: Buffer | null;
  /** What decompressing made of it; 0 if it was not compressed. */
  readonly openedBytes: number;
}

const NO_KEY = 'Compacted topic cannot accept message without key.';

const header = new BatchView(Buffer.alloc(0), 0);
const walk = new RecordsWalk();

/**
 * Validates the records of the batch in `bytes[start, end)`, whose header was found to be in order, as Kafka does
 * (LogValidator): it is decompressed, to at most `bytesMax`, and every record is walked. Throws a CompressionError with
 * `isTooLarge` where `bytesMax` is less than what a batch may have, and was not enough.
 */
export function validateRecords(
  bytes: Buffer,
  start: number,
  end: number,
  demands: BatchDemands,
  bytesMax: number,
): ValidatedBatch {
  header.moveTo(bytes, start);
  const { compression, recordCount } = header;
  const wanted = demands.compression < 0 ? compression : demands.compression;
  const recordsAt = start + BATCH_HEADER_BYTES;
  let records = bytes;
  let at = recordsAt;
  let recordsEnd = end;
  if (compression !== COMPRESSION.none) {
    const allowed = decompressedBytesMax(end - recordsAt);
    try {
      records = decompress(compression, bytes.subarray(recordsAt, end), Math.min(bytesMax, allowed));
    } catch (error) {
      if (!(error instanceof CompressionError)) throw error;
      if (!error.isTooLarge) return refused({ reason: 'invalid', text: error.message, records: [] });
      if (bytesMax < allowed) throw error;
      return refused(opensTooLarge(end - recordsAt, allowed), allowed);
    }
    at = 0;
    recordsEnd = records.length;
  }
  const openedBytes = records === bytes ? 0 : records.length;
  if (!walk.walk(records, at, recordsEnd, recordCount, demands.wantsKeys)) {
    return refused(faultOf(walk), openedBytes);
  }
  if (walk.keylessCount > 0) return refused(keylessFault(walk), openedBytes);
  let recompressed: Buffer | null = null;
  if (wanted !== compression) {
    const body = compress(wanted, records.subarray(at, recordsEnd), demands.level);
    const attributes = (header.attributes & ~COMPRESSION_MASK) | wanted;
    recompressed = withRecords(bytes, start, body, { attributes });
  }
  return { fault: null, hasEnvelope: walk.hasEnvelope, recompressed, openedBytes };
}

function refused(fault: RecordsFault, openedBytes = 0): ValidatedBatch {
  return { fault, hasEnvelope: false, recompressed: null, openedBytes };
}

function faultOf({ fault, faultIndex }: RecordsWalk): RecordsFault {
  const text = fault ?? '';
  if (faultIndex < 0) return { reason: 'invalid', text, records: [] };
  return { reason: 'invalid', text: `record ${faultIndex}: ${text}`, records: [{ index: faultIndex, text }] };
}

function keylessFault({ keyless, keylessCount }: RecordsWalk): RecordsFault {
  return {
    reason: 'invalid',
    text: `${keylessCount} records were refused: ${NO_KEY}`,
    records: keyless.map((index) => ({ index, text: NO_KEY })),
  };
}

/** Of a batch that is larger than a producer may hope for, a smaller part may pass; of what is made to fill memory, none. */
function opensTooLarge(compressedBytes: number, bytesMax: number): RecordsFault {
  if (bytesMax === DECOMPRESSED_BYTES_MAX) {
    const text = `records that are larger than ${bytesMax} bytes when decompressed, which no batch may be`;
    return { reason: 'too-large', text, records: [] };
  }
  const text =
    `${compressedBytes} bytes of records that are more than ${bytesMax} when decompressed: beyond that at most ` +
    `${DECOMPRESSION_RATIO_MAX} times as many are allowed`;
  return { reason: 'invalid', text, records: [] };
}
