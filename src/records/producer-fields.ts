import {
  ATTRIBUTE_BITS_AT,
  BASE_SEQUENCE_AT,
  CONTROL,
  PRODUCER_EPOCH_AT,
  PRODUCER_ID_AT,
  readInt64,
  TRANSACTIONAL,
} from './batch-layout.ts';

/*
 * What the header of a record batch says of its producer (KIP-98). All of these take the position of the batch's first
 * byte, and believe what is there.
 */

/** Whether a batch has a producer that numbers its records. */
export function hasProducer(bytes: Buffer, at: number): boolean {
  return bytes.readInt32BE(at + PRODUCER_ID_AT) >= 0;
}

/** -1 without an idempotent producer. */
export function producerIdOf(bytes: Buffer, at: number): number {
  return readInt64(bytes, at + PRODUCER_ID_AT);
}

export function producerEpochOf(bytes: Buffer, at: number): number {
  return bytes.readInt16BE(at + PRODUCER_EPOCH_AT);
}

/** The sequence number of the first record. */
export function baseSequenceOf(bytes: Buffer, at: number): number {
  return bytes.readInt32BE(at + BASE_SEQUENCE_AT);
}

export function isTransactional(bytes: Buffer, at: number): boolean {
  return (bytes[at + ATTRIBUTE_BITS_AT] & TRANSACTIONAL) !== 0;
}

/** Whether its records are the broker's own, as the ends of transactions are: consumers do not get to see them. */
export function isControl(bytes: Buffer, at: number): boolean {
  return (bytes[at + ATTRIBUTE_BITS_AT] & CONTROL) !== 0;
}
