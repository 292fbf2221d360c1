import {
  ATTRIBUTE_BITS_AT,
  ATTRIBUTES_AT,
  BASE_OFFSET_AT,
  BASE_TIMESTAMP_AT,
  BATCH_LENGTH_AT,
  COMPRESSION_MASK,
  CRC_AT,
  HAS_FOREIGN_ENVELOPE,
  LAST_OFFSET_DELTA_AT,
  LEADER_EPOCH_AT,
  LENGTH_OVERHEAD_BYTES,
  LOG_APPEND_TIME,
  MAGIC_AT,
  MAX_TIMESTAMP_AT,
  RECORD_COUNT_AT,
  readInt64,
} from './batch-layout.ts';
import {
  baseSequenceOf,
  isControl,
  isTransactional,
  producerEpochOf,
  producerIdOf,
} from './producer-fields.ts';

/*
 * The fields of the record batch whose first byte is at `at`: as functions for who needs one or two of them, as a view
 * for who needs more. They need the 61 bytes of the header and believe them: see `verifyBatch` (batch-checksum.ts).
 * Those of its producer are in producer-fields.ts.
 */

/** The bytes of the whole batch, header included, from its first 12 bytes; nonsense is possible and must be checked. */
export function batchBytes(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at + BATCH_LENGTH_AT) + LENGTH_OVERHEAD_BYTES;
}

export function baseOffsetOf(bytes: Buffer, at: number): number {
  return readInt64(bytes, at + BASE_OFFSET_AT);
}

/** The last record's offset less the base offset, as the batch was made: compaction may have removed that record. */
export function lastOffsetDeltaOf(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at + LAST_OFFSET_DELTA_AT);
}

export function lastOffsetOf(bytes: Buffer, at: number): number {
  return readInt64(bytes, at + BASE_OFFSET_AT) + bytes.readInt32BE(at + LAST_OFFSET_DELTA_AT);
}

export function leaderEpochOf(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at + LEADER_EPOCH_AT);
}

/** Readable from the first 17 bytes on, also of message sets of the formats v0 and v1. */
export function magicOf(bytes: Buffer, at: number): number {
  return bytes[at + MAGIC_AT];
}

/** Milliseconds since the epoch; -1 for none. */
export function maxTimestampMsOf(bytes: Buffer, at: number): number {
  return readInt64(bytes, at + MAX_TIMESTAMP_AT);
}

/** A code of compression.ts; 0 for none, 5 to 7 mean nothing. */
export function compressionOf(bytes: Buffer, at: number): number {
  return bytes[at + ATTRIBUTE_BITS_AT] & COMPRESSION_MASK;
}

export function recordCountOf(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at + RECORD_COUNT_AT);
}

/** The position of the last of the batches that lie back to back in [0, end). */
export function lastBatchAt(batches: Buffer, end: number): number {
  let at = 0;
  for (let next = 0; next < end; next += batchBytes(batches, next)) at = next;
  return at;
}

/** The header of the batch at `at` in `bytes`, read as it is asked for. May be moved from batch to batch. */
export class BatchView {
  bytes: Buffer;
  at: number;

  constructor(bytes: Buffer, at: number) {
    this.bytes = bytes;
    this.at = at;
  }

  moveTo(bytes: Buffer, at: number): void {
    this.bytes = bytes;
    this.at = at;
  }

  get baseOffset(): number {
    return baseOffsetOf(this.bytes, this.at);
  }
  /** Of the whole batch, header included. */
  get byteLength(): number {
    return batchBytes(this.bytes, this.at);
  }
  /** The position after its last byte. */
  get end(): number {
    return this.at + batchBytes(this.bytes, this.at);
  }
  get leaderEpoch(): number {
    return leaderEpochOf(this.bytes, this.at);
  }
  get magic(): number {
    return magicOf(this.bytes, this.at);
  }
  get crc(): number {
    return this.bytes.readUInt32BE(this.at + CRC_AT);
  }
  get attributes(): number {
    return this.bytes.readInt16BE(this.at + ATTRIBUTES_AT);
  }
  /** A code of compression.ts; 0 for none, 5 to 7 mean nothing. */
  get compression(): number {
    return compressionOf(this.bytes, this.at);
  }
  get isLogAppendTime(): boolean {
    return (this.bytes[this.at + ATTRIBUTE_BITS_AT] & LOG_APPEND_TIME) !== 0;
  }
  get isTransactional(): boolean {
    return isTransactional(this.bytes, this.at);
  }
  get isControl(): boolean {
    return isControl(this.bytes, this.at);
  }
  /** What its records have as envelopes is a client's word. */
  get hasForeignEnvelope(): boolean {
    return (this.attributes & HAS_FOREIGN_ENVELOPE) !== 0;
  }
  get lastOffsetDelta(): number {
    return lastOffsetDeltaOf(this.bytes, this.at);
  }
  get lastOffset(): number {
    return lastOffsetOf(this.bytes, this.at);
  }
  get baseTimestampMs(): number {
    return readInt64(this.bytes, this.at + BASE_TIMESTAMP_AT);
  }
  get maxTimestampMs(): number {
    return maxTimestampMsOf(this.bytes, this.at);
  }
  /** -1 without an idempotent producer. */
  get producerId(): number {
    return producerIdOf(this.bytes, this.at);
  }
  get producerEpoch(): number {
    return producerEpochOf(this.bytes, this.at);
  }
  get baseSequence(): number {
    return baseSequenceOf(this.bytes, this.at);
  }
  get recordCount(): number {
    return recordCountOf(this.bytes, this.at);
  }
}
