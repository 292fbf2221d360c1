import { CompressionError } from './errors.ts';
import { GrowingOutput } from './growing-output.ts';
import { xxhash32 } from './xxhash32.ts';

/**
 * LZ4 in its frame format, little-endian:
 *
 *     frame  = 0x184d2204 | flags u8 | block size u8 | [content size u64] | [dictionary u32] | header checksum u8
 *              | block* | 0 u32 | [checksum of the content u32]
 *     block  = size u32, highest bit set if it is not compressed | the bytes | [checksum of them u32]
 *     flags  = version 2 bits (01) | blocks are independent | blocks have checksums | has content size
 *              | content has a checksum | reserved | has a dictionary
 *
 *     a compressed block = sequence*
 *     sequence = token: length of the literals 4 bits, of the match less 4, 4 bits; 15 means that bytes follow, to be
 *                added, up to one that is not 255 | literals | distance u16 | [bytes of the match's length]
 *     The last sequence has literals only.
 *
 * Checksums are XXH32; the header's is its second byte.
 */
const MAGIC = 0x184d2204;
const FLAG_VERSION_MASK = 0xc0;
const FLAG_VERSION = 0x40;
const FLAG_BLOCK_CHECKSUM = 0x10;
const FLAG_CONTENT_SIZE = 0x08;
const FLAG_CONTENT_CHECKSUM = 0x04;
const FLAG_DICTIONARY = 0x01;
const BLOCK_SIZE_MASK = 0x70;
const NOT_COMPRESSED = 0x8000_0000;
const MATCH_BYTES_MIN = 4;
const LENGTH_CONTINUES = 15;

export function decompressLz4(source: Buffer, bytesMax: number): Buffer {
  const output = new GrowingOutput(source.length * 2, bytesMax);
  let at = 0;
  do at = decompressFrame(source, at, output);
  while (at < source.length);
  return output.finish();
}

function fail(problem: string): never {
  throw new CompressionError(`records compressed with lz4: ${problem}`);
}

function decompressFrame(source: Buffer, start: number, output: GrowingOutput): number {
  if (source.length - start < 7) fail('ends within the header of a frame');
  if (source.readUInt32LE(start) !== MAGIC) fail('do not begin a frame');
  const flags = source[start + 4];
  if ((flags & FLAG_VERSION_MASK) !== FLAG_VERSION) fail(`a frame of version ${flags >> 6}`);
  if ((flags & FLAG_DICTIONARY) !== 0) fail('a frame that needs a dictionary');
  // 4: 64 KiB, then four times as much each.
  const blockBytesMax = 1 << (((source[start + 5] & BLOCK_SIZE_MASK) >> 4) * 2 + 8);
  if (blockBytesMax < 1 << 16) fail('a frame with blocks of an unknown size');
  const checksumAt = start + 6 + ((flags & FLAG_CONTENT_SIZE) !== 0 ? 8 : 0);
  if (checksumAt >= source.length) fail('ends within the header of a frame');
  const checksum = (xxhash32(source, start + 4, checksumAt) >>> 8) & 0xff;
  if (source[checksumAt] !== checksum) fail('a damaged frame header');
  const contentStart = output.length;
  const end = decompressBlocks(source, checksumAt + 1, flags, blockBytesMax, output);
  if ((flags & FLAG_CONTENT_CHECKSUM) === 0) return end;
  if (readWord(source, end) !== xxhash32(output.bytes, contentStart, output.length)) fail('damaged contents');
  return end + 4;
}

/** Returns where the list of blocks has ended. */
function decompressBlocks(
  source: Buffer,
  at: number,
  flags: number,
  blockBytesMax: number,
  output: GrowingOutput,
): number {
  for (;;) {
    const word = readWord(source, at);
    at += 4;
    if (word === 0) return at;
    const size = word >= NOT_COMPRESSED ? word - NOT_COMPRESSED : word;
    if (size > source.length - at) fail(`a block of ${size} bytes, ${source.length - at} are left`);
    const before = output.length;
    if (word >= NOT_COMPRESSED) output.append(source, at, at + size);
    else decompressBlock(source, at, at + size, output);
    if (output.length - before > blockBytesMax) fail(`a block of more than ${blockBytesMax} bytes`);
    if ((flags & FLAG_BLOCK_CHECKSUM) !== 0) {
      if (readWord(source, at + size) !== xxhash32(source, at, at + size)) fail('a damaged block');
      at += 4;
    }
    at += size;
  }
}

function readWord(source: Buffer, at: number): number {
  return source.length - at < 4 ? fail('end within a frame') : source.readUInt32LE(at);
}

function decompressBlock(source: Buffer, at: number, end: number, output: GrowingOutput): void {
  for (;;) {
    if (at >= end) fail('a block that does not end with literals');
    const token = source[at++];
    let literals = token >> 4;
    if (literals === LENGTH_CONTINUES) {
      const lengthEnd = lengthEndOf(source, at, end);
      literals += lengthOf(source, at, lengthEnd);
      at = lengthEnd;
    }
    if (literals > end - at) fail(`a literal of ${literals} bytes, ${end - at} are left`);
    output.append(source, at, at + literals);
    at += literals;
    if (at === end) return;

    if (end - at < 2) fail('a block that ends within a match');
    const distance = source[at] | (source[at + 1] << 8);
    at += 2;
    let match = token & LENGTH_CONTINUES;
    if (match === LENGTH_CONTINUES) {
      const lengthEnd = lengthEndOf(source, at, end);
      match += lengthOf(source, at, lengthEnd);
      at = lengthEnd;
    }
    output.repeat(distance, match + MATCH_BYTES_MIN);
  }
}

/** Behind the bytes that add to a length. */
function lengthEndOf(source: Buffer, at: number, end: number): number {
  while (at < end && source[at] === 0xff) at++;
  return at < end ? at + 1 : fail('a block that ends within a length');
}

function lengthOf(source: Buffer, start: number, end: number): number {
  return (end - start - 1) * 0xff + source[end - 1];
}
