import { align8 } from '../memory/frame.ts';

/**
 * The entries of a block. Each begins with
 *
 *     0  u32  length in bytes, a multiple of 8, this header included
 *     4  u8   type, then u24 count: what is counted depends on the type
 *
 * `at` is always the offset of the entry's first byte in the memory that holds it, a multiple of 8. Writers fill the room
 * that the journal reserved. Nothing here allocates: a message entry is written for each persistent message.
 */
export interface EntryMemory {
  readonly buffer: Buffer;
  readonly u32: Uint32Array;
  readonly f64: Float64Array;
}

export const ENTRY_MESSAGE = 1;
export const ENTRY_ACKNOWLEDGED = 2;
export const ENTRY_METADATA = 3;
export const ENTRY_BATCH = 4;

export function entryLength(memory: EntryMemory, at: number): number {
  return memory.u32[at >>> 2];
}

export function entryType(memory: EntryMemory, at: number): number {
  return memory.u32[(at >>> 2) + 1] & 0xff;
}

/** Of logs in a message entry, of ranges in an acknowledged entry, 0 in others. */
export function entryCount(memory: EntryMemory, at: number): number {
  return memory.u32[(at >>> 2) + 1] >>> 8;
}

/**
 * Message: one message for one or more logs.
 *
 *      0  u32  length
 *      4  u32  1 | count << 8
 *      8  f64  offset in the log, × count
 *         u32  id of the log, × count, padded to 8
 *         ...  the frame (`memory/frame.ts`), padded to 8
 */
export function writeMessagePrefix(
  { u32, f64 }: EntryMemory,
  at: number,
  bytes: number,
  logs: readonly { readonly id: number; readonly end: number }[],
): void {
  const count = logs.length;
  u32[at >>> 2] = bytes;
  u32[(at >>> 2) + 1] = ENTRY_MESSAGE | (count << 8);
  let offsetAt = (at + 8) >>> 3;
  let idAt = (at + 8 + 8 * count) >>> 2;
  for (let i = 0; i < count; i++) {
    const log = logs[i];
    f64[offsetAt++] = log.end;
    u32[idAt++] = log.id;
  }
  if ((count & 1) === 1) u32[idAt] = 0;
}

/** Bytes from the start of a message entry to its frame. */
export function messagePrefixBytes(logCount: number): number {
  return 8 + 8 * logCount + align8(4 * logCount);
}

export function messageOffset(memory: EntryMemory, at: number, index: number): number {
  return memory.f64[((at + 8) >>> 3) + index];
}

export function messageLogId(memory: EntryMemory, at: number, logCount: number, index: number): number {
  return memory.u32[((at + 8 + 8 * logCount) >>> 2) + index];
}

/**
 * Acknowledged: ranges of offsets of one log are done with. Of a stream's log: everything below `to` is deleted.
 *
 *      0  u32  length
 *      4  u32  2 | count << 8
 *      8  u32  id of the log
 *     12  u32  zero
 *     16  { f64 from, f64 to } × count
 */
export function writeAcknowledged(
  { u32, f64 }: EntryMemory,
  at: number,
  logId: number,
  ranges: readonly number[],
): void {
  u32[at >>> 2] = acknowledgedEntryBytes(ranges.length >>> 1);
  u32[(at >>> 2) + 1] = ENTRY_ACKNOWLEDGED | ((ranges.length >>> 1) << 8);
  u32[(at >>> 2) + 2] = logId;
  u32[(at >>> 2) + 3] = 0;
  for (let i = 0; i < ranges.length; i++) f64[(at >>> 3) + 2 + i] = ranges[i];
}

export function acknowledgedEntryBytes(rangeCount: number): number {
  return 16 + 16 * rangeCount;
}

export function acknowledgedLogId(memory: EntryMemory, at: number): number {
  return memory.u32[(at >>> 2) + 2];
}

export function acknowledgedFrom(memory: EntryMemory, at: number, index: number): number {
  return memory.f64[(at >>> 3) + 2 + 2 * index];
}

/** Behind the last offset of the range. */
export function acknowledgedTo(memory: EntryMemory, at: number, index: number): number {
  return memory.f64[(at >>> 3) + 3 + 2 * index];
}

/**
 * Metadata: an operation of the broker.
 *
 *      0  u32  length
 *      4  u32  3
 *      8  u32  length of the operation in bytes
 *     12  u32  zero
 *     16  ...  the operation, padded to 8 with zeros
 */
export function writeMetadata(memory: EntryMemory, at: number, operation: Uint8Array): void {
  const { buffer, u32 } = memory;
  const length = metadataEntryBytes(operation.length);
  u32[at >>> 2] = length;
  u32[(at >>> 2) + 1] = ENTRY_METADATA;
  u32[(at >>> 2) + 2] = operation.length;
  u32[(at >>> 2) + 3] = 0;
  buffer.fill(0, at + length - 8, at + length);
  buffer.set(operation, at + 16);
}

export function metadataEntryBytes(operationBytes: number): number {
  return 16 + align8(operationBytes);
}

/** The operation, in the memory that holds the entry. */
export function metadataOperation(memory: EntryMemory, at: number): Buffer {
  return memory.buffer.subarray(at + 16, at + 16 + memory.u32[(at >>> 2) + 2]);
}

/**
 * Batch: a record batch of a stream's log; its offsets are in the batch.
 *
 *      0  u32  length
 *      4  u32  4
 *      8  u32  id of the log
 *     12  u32  length of the batch in bytes
 *     16  ...  the batch (`records/batch-layout.ts`), padded to 8 with zeros
 */
export function writeBatchPrefix(
  { u32, f64 }: EntryMemory,
  at: number,
  logId: number,
  batchBytes: number,
): void {
  const length = batchEntryBytes(batchBytes);
  const word = at >>> 2;
  u32[word] = length;
  u32[word + 1] = ENTRY_BATCH;
  u32[word + 2] = logId;
  u32[word + 3] = batchBytes;
  // The padding; the batch is written over the rest of these eight bytes.
  f64[(at + length - 8) >>> 3] = 0;
}

/** Bytes from the start of a batch entry to the batch. */
export const BATCH_PREFIX_BYTES = 16;

export function batchEntryBytes(batchBytes: number): number {
  return BATCH_PREFIX_BYTES + align8(batchBytes);
}

export function batchLogId(memory: EntryMemory, at: number): number {
  return memory.u32[(at >>> 2) + 2];
}

export function batchLength(memory: EntryMemory, at: number): number {
  return memory.u32[(at >>> 2) + 3];
}
