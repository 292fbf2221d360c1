/**
 * The journal's bytes. Little-endian, everything aligned to eight bytes, so that entries are read and written
 * through typed arrays over the chunk that holds them.
 *
 * File: a header, then blocks back to back.
 *
 *     0  u64  magic "SLUICEJL"
 *     8  u32  format version
 *    12  u32  file number
 *    16  f64  number of the first block
 *    24  u32  CRC32C of bytes 0..24
 *    28  u32  zero
 *
 * Block: all that was appended during one turn of the group commit; applied whole or not at all.
 *
 *     0  u32  magic "SLJB"
 *     4  u32  CRC32C of bytes 8..length
 *     8  u32  length in bytes, this header included
 *    12  u32  epoch of the writer
 *    16  f64  block number, one more than the block before
 *    24  f64  the newest block that was on stable storage when this one was closed. If this block is whole, then
 *             a damaged block up to that number is damage; a broken one after it is a write that was torn
 *
 * Entry: `u32 length` (a multiple of 8), `u32 type | count << 8`, then by type:
 *
 *     message   f64 offset × count, u32 log id × count (padded to 8), then the frame (`chunks.ts`)
 *     settle    u32 log id, u32 zero, then count × { f64 from, f64 to }: these offsets are done with
 *     metadata  u32 byte length, u32 zero, then bytes that mean something to the broker
 *     batch     u32 log id, u32 byte length, then a record batch of a stream (`records/batch-layout.ts`), padded to 8
 */
export const FORMAT_VERSION = 1;

export const FILE_HEADER_BYTES = 32;
export const FILE_MAGIC = Buffer.from('SLUICEJL', 'latin1');

export const BLOCK_HEADER_BYTES = 32;
export const BLOCK_MAGIC = 0x424a4c53; // "SLJB" read as little-endian

export const ENTRY_MESSAGE = 1;
export const ENTRY_SETTLE = 2;
export const ENTRY_METADATA = 3;
export const ENTRY_BATCH = 4;

/** Bytes from the start of a batch entry to the batch. */
export const BATCH_PREFIX_BYTES = 16;

/** What a batch of so many bytes takes of the journal. */
export function batchEntryBytes(bytes: number): number {
  return BATCH_PREFIX_BYTES + align8(bytes);
}

export function align8(bytes: number): number {
  return (bytes + 7) & ~7;
}

/** Bytes from the start of a message entry to its frame. */
export function messagePrefixBytes(logCount: number): number {
  return 8 + 8 * logCount + align8(4 * logCount);
}
