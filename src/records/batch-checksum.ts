import { crc32c } from '../base/crc32c.ts';
import {
  ATTRIBUTES_AT,
  BASE_OFFSET_AT,
  BASE_SEQUENCE_AT,
  BATCH_HEADER_BYTES,
  BATCH_MAGIC,
  CRC_AT,
  NO_SEQUENCE,
} from './batch-layout.ts';
import { batchBytes, leaderEpochOf, magicOf } from './batch-view.ts';
import { baseSequenceOf, hasProducer } from './producer-fields.ts';

/*
 * The format's checksum does not cover baseOffset, because a Kafka broker assigns it after the producer has computed
 * the checksum. Where offsets are dense, a corrupt one shows; in a queue's log, with gaps wherever messages were
 * consumed before they were written out, it would not. The batches of queues therefore carry 31 bits of a CRC-32C of
 * their baseOffset in baseSequence, which has no meaning without a producer id, so that Kafka's tools and clients pass
 * over it. Batches of streams have there what Kafka's have.
 */

const OFFSET_BYTES = 8;
const MAX_INT32 = 0x7fffffff;

/** Puts the checksum of the batch in `bytes[at, end)` into its header. */
export function writeChecksum(bytes: Buffer, at: number, end: number): void {
  bytes.writeUInt32BE(crc32c(bytes.subarray(at + ATTRIBUTES_AT, end)), at + CRC_AT);
}

/** Puts the check on the base offset of the batch at `at` into its header, which the checksum then covers. */
export function writeOffsetCheck(bytes: Buffer, at: number): void {
  bytes.writeInt32BE(offsetCheck(bytes, at), at + BASE_SEQUENCE_AT);
}

/**
 * What is wrong with the batch at `at`, in words for a message, if it is not whole and as it was written or does not end
 * at or before `end`; null if nothing is. Its records are not looked at. `isForeign`: it may be a producer's, which may
 * have anything where our check on the base offset is.
 */
export function verifyBatch(bytes: Buffer, at: number, end: number, isForeign = false): string | null {
  if (end - at < BATCH_HEADER_BYTES) return `${end - at} bytes are too few for a record batch`;
  const length = batchBytes(bytes, at);
  if (length < BATCH_HEADER_BYTES) return `impossible batch length ${length}`;
  if (length > end - at) return `a batch of ${length} bytes where only ${end - at} are left`;
  if (magicOf(bytes, at) !== BATCH_MAGIC) {
    return `magic byte ${magicOf(bytes, at)} instead of ${BATCH_MAGIC}`;
  }
  const stored = bytes.readUInt32BE(at + CRC_AT);
  const found = crc32c(bytes.subarray(at + ATTRIBUTES_AT, at + length));
  if (stored !== found) return `checksum ${hex(found)} instead of ${hex(stored)}`;
  if (!isForeign && hasOffsetCheck(bytes, at)) {
    if (baseSequenceOf(bytes, at) !== offsetCheck(bytes, at)) return 'a base offset that fails its check';
    if (leaderEpochOf(bytes, at) !== 0) return `leader epoch ${leaderEpochOf(bytes, at)} instead of 0`;
  }
  return null;
}

/** A sequence number without a producer id. */
function hasOffsetCheck(bytes: Buffer, at: number): boolean {
  return !hasProducer(bytes, at) && baseSequenceOf(bytes, at) !== NO_SEQUENCE;
}

function offsetCheck(bytes: Buffer, at: number): number {
  const start = at + BASE_OFFSET_AT;
  return crc32c(bytes.subarray(start, start + OFFSET_BYTES)) & MAX_INT32;
}

function hex(crc: number): string {
  return `0x${crc.toString(16).padStart(8, '0')}`;
}
