/**
 * The journal's bytes. Little-endian, everything aligned to eight bytes, so that it is read and written through typed
 * arrays over the memory that holds it. A file is a header, then blocks (`block.ts`) back to back, and a block is a
 * header, then entries (`entry.ts`).
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
