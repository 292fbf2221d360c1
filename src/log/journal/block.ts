import { crc32c } from '../../base/crc32c.ts';

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
 *     32  ...  entries (`entry.ts`)
 *
 * `at` is the offset of the block's first byte in the memory that holds it, a multiple of 8.
 */
export interface BlockMemory {
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
export function writeBlockHeader({ buffer, u32, f64 }: BlockMemory, at: number, header: BlockHeader): void {
  const word = at >>> 2;
  u32[word] = BLOCK_MAGIC;
  u32[word + 2] = header.length;
  u32[word + 3] = header.epoch;
  f64[(at >>> 3) + 2] = header.number;
  f64[(at >>> 3) + 3] = header.syncedThrough;
  u32[word + 1] = crc32c(buffer.subarray(at + 8, at + header.length));
}

export function beginsBlock(memory: BlockMemory, at: number): boolean {
  return memory.u32[at >>> 2] === BLOCK_MAGIC;
}

export function blockLength(memory: BlockMemory, at: number): number {
  return memory.u32[(at >>> 2) + 2];
}

export function blockEpoch(memory: BlockMemory, at: number): number {
  return memory.u32[(at >>> 2) + 3];
}

export function blockNumber(memory: BlockMemory, at: number): number {
  return memory.f64[(at >>> 3) + 2];
}

export function blockSyncedThrough(memory: BlockMemory, at: number): number {
  return memory.f64[(at >>> 3) + 3];
}

/** All of the block, as long as it says that it is, must be in the memory. */
export function isChecksumRight(memory: BlockMemory, at: number): boolean {
  const { buffer, u32 } = memory;
  return crc32c(buffer.subarray(at + 8, at + blockLength(memory, at))) === u32[(at >>> 2) + 1];
}
