import { crc32c } from '../../base/crc32c.ts';
import { align8 } from '../memory/chunks.ts';

/**
 * The journal's bytes. Little-endian, everything aligned to eight bytes, so that it is read and written through typed
 * arrays over the memory that holds it. A file is a header, then blocks back to back, and a block is a header, then
 * entries.
 *
 *      0  u64  magic "SLUICEJL"
 *      8  u32  format version
 *     12  u32  file number
 *     16  f64  number of the first block
 *     24  u32  CRC32C of bytes 0..24
 *     28  u32  zero
 */
export const FORMAT_VERSION = 1;

export const FILE_HEADER_BYTES = 32;
export const FILE_MAGIC = Buffer.from('SLUICEJL', 'latin1');

/** The number of the first block, in a file that begins with a sound header. */
export function firstBlockOf(file: { readonly f64: Float64Array }): number {
  return file.f64[2];
}

/**
 * A block: all that was appended during one turn of the group commit; applied whole or not at all.
 *
 *      0  u32  magic "SLJB"
 *      4  u32  CRC32C of bytes 8..length
 *      8  u32  length in bytes, this header included
 *     12  u32  epoch of the writer
 *     16  f64  block number, one more than the block before
 *     24  f64  the newest block that was on stable storage when this one was closed. If this block is whole, then
 *              a broken block up to that number is corruption; a broken one after it is a write that was torn
 *     32  ...  entries
 *
 * `at` is the offset of the block's first byte in the memory that holds it, a multiple of 8.
 */
export interface JournalMemory {
  readonly buffer: Buffer;
  readonly u32: Uint32Array;
  readonly f64: Float64Array;
}

export const BLOCK_HEADER_BYTES = 32;
const BLOCK_MAGIC = 0x424a4c53; // "SLJB" read as little-endian

export interface BlockHeader {
  readonly length: number;
  readonly epoch: number;
  readonly number: number;
  readonly syncedThrough: number;
}

/** The entries are there already: the checksum covers them. */
export function writeBlockHeader({ buffer, u32, f64 }: JournalMemory, at: number, header: BlockHeader): void {
  const word = at >>> 2;
  u32[word] = BLOCK_MAGIC;
  u32[word + 2] = header.length;
  u32[word + 3] = header.epoch;
  f64[(at >>> 3) + 2] = header.number;
  f64[(at >>> 3) + 3] = header.syncedThrough;
  u32[word + 1] = crc32c(buffer.subarray(at + 8, at + header.length));
}

export function beginsBlock(memory: JournalMemory, at: number): boolean {
  return memory.u32[at >>> 2] === BLOCK_MAGIC;
}

export function blockLength(memory: JournalMemory, at: number): number {
  return memory.u32[(at >>> 2) + 2];
}

export function blockEpoch(memory: JournalMemory, at: number): number {
  return memory.u32[(at >>> 2) + 3];
}

export function blockNumber(memory: JournalMemory, at: number): number {
  return memory.f64[(at >>> 3) + 2];
}

export function blockSyncedThrough(memory: JournalMemory, at: number): number {
  return memory.f64[(at >>> 3) + 3];
}

/** All of the block, as long as it says that it is, must be in the memory. */
export function isChecksumRight(memory: JournalMemory, at: number): boolean {
  const { buffer, u32 } = memory;
  return crc32c(buffer.subarray(at + 8, at + blockLength(memory, at))) === u32[(at >>> 2) + 1];
}

/**
 * The entries of a block. Each begins with
 *
 *     0  u32  length in bytes, a multiple of 8, this header included
 *     4  u8   type, then u24 count: what is counted depends on the type
 *
 * `at` is always the offset of the entry's first byte in the memory that holds it, a multiple of 8. Writers fill the room
 * that the journal reserved. Nothing here allocates: a message entry is written for each persistent message.
 */
export const ENTRY_MESSAGE = 1;
export const ENTRY_ACKNOWLEDGED = 2;
export const ENTRY_METADATA = 3;
export const ENTRY_BATCH = 4;

export function entryLength(memory: JournalMemory, at: number): number {
  return memory.u32[at >>> 2];
}

export function entryType(memory: JournalMemory, at: number): number {
  return memory.u32[(at >>> 2) + 1] & 0xff;
}

/** Of logs in a message entry, of ranges in an acknowledged entry, 0 in others. */
export function entryCount(memory: JournalMemory, at: number): number {
  return memory.u32[(at >>> 2) + 1] >>> 8;
}

/**
 * Message: one message for one or more logs.
 *
 *      0  u32  length
 *      4  u32  1 | count << 8
 *      8  f64  offset in the log, × count
 *         u32  id of the log, × count, padded to 8
 *         ...  the frame (`memory/chunks.ts`), padded to 8
 */
export function writeMessagePrefix(
  { u32, f64 }: JournalMemory,
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

export function messageOffset(memory: JournalMemory, at: number, index: number): number {
  return memory.f64[((at + 8) >>> 3) + index];
}

export function messageLogId(memory: JournalMemory, at: number, logCount: number, index: number): number {
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
  { u32, f64 }: JournalMemory,
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

export function acknowledgedLogId(memory: JournalMemory, at: number): number {
  return memory.u32[(at >>> 2) + 2];
}

export function acknowledgedFrom(memory: JournalMemory, at: number, index: number): number {
  return memory.f64[(at >>> 3) + 2 + 2 * index];
}

/** Behind the last offset of the range. */
export function acknowledgedTo(memory: JournalMemory, at: number, index: number): number {
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
export function writeMetadata(memory: JournalMemory, at: number, operation: Uint8Array): void {
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
export function metadataOperation(memory: JournalMemory, at: number): Buffer {
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
  { u32, f64 }: JournalMemory,
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

export function batchLogId(memory: JournalMemory, at: number): number {
  return memory.u32[(at >>> 2) + 2];
}

export function batchLength(memory: JournalMemory, at: number): number {
  return memory.u32[(at >>> 2) + 3];
}
