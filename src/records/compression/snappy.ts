import { CompressionError } from './errors.ts';
import { GrowingOutput } from './growing-output.ts';

/**
 * Snappy, as it is found in record batches: a bare block (librdkafka), or blocks in the framing of Java's library:
 *
 *     0x82 'SNAPPY' 0 | version int32 | compatible int32 | (length int32 | block)*
 *
 *     block = length of the output, varint | element*
 *     element, by the two lowest bits of its first byte:
 *       00  literal: length - 1 in 6 bits, from 60 on in 1 to 4 bytes, little-endian | the bytes
 *       01  copy: length - 4 in 3 bits, distance in 3 bits and a byte
 *       10  copy: length - 1 in 6 bits, distance in 2 bytes, little-endian
 *       11  copy: length - 1 in 6 bits, distance in 4 bytes, little-endian
 */
const FRAMING_MAGIC = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0]);
const FRAMING_HEADER_BYTES = 16;
const LONG_LITERAL = 60;

export function decompressSnappy(source: Buffer, bytesMax: number): Buffer {
  // It shrinks text to a half, most often.
  const output = new GrowingOutput(source.length * 2, bytesMax);
  if (!isFramed(source, 0)) {
    decompressBlock(source, 0, source.length, output);
    return output.finish();
  }
  let at = 0;
  while (at < source.length) {
    // Streams that were put one behind the other have a header each.
    if (isFramed(source, at)) {
      at += FRAMING_HEADER_BYTES;
      continue;
    }
    if (source.length - at < 4) fail('ends within the length of a block');
    const length = source.readInt32BE(at);
    at += 4;
    if (length < 0 || length > source.length - at)
      fail(`a block of ${length} bytes, ${source.length - at} are left`);
    decompressBlock(source, at, at + length, output);
    at += length;
  }
  return output.finish();
}

function isFramed(source: Buffer, at: number): boolean {
  const end = at + FRAMING_MAGIC.length;
  return (
    source.length >= at + FRAMING_HEADER_BYTES && source.compare(FRAMING_MAGIC, 0, undefined, at, end) === 0
  );
}

function fail(problem: string): never {
  throw new CompressionError(`records compressed with snappy: ${problem}`);
}

function decompressBlock(source: Buffer, start: number, end: number, output: GrowingOutput): void {
  let at = start;
  let length = 0;
  for (let scale = 1; ; scale *= 0x80) {
    if (at === end || at - start === 5) fail('a block without its length');
    const byte = source[at++];
    length += (byte & 0x7f) * scale;
    if (byte < 0x80) break;
  }
  const outputEnd = output.length + length;
  while (at < end) {
    const tag = source[at++];
    at = (tag & 3) === 0 ? literal(source, at, end, tag >> 2, output) : copy(source, at, end, tag, output);
    if (output.length > outputEnd) fail(`a block that is longer than it says (${length} bytes)`);
  }
  if (output.length !== outputEnd) fail(`a block that is shorter than it says (${length} bytes)`);
}

function literal(source: Buffer, at: number, end: number, length: number, output: GrowingOutput): number {
  let count = length + 1;
  if (length >= LONG_LITERAL) {
    const lengthBytes = length - LONG_LITERAL + 1;
    if (lengthBytes > end - at) fail('ends within the length of a literal');
    count = source.readUIntLE(at, lengthBytes) + 1;
    at += lengthBytes;
  }
  if (count > end - at) fail(`a literal of ${count} bytes, ${end - at} are left`);
  output.append(source, at, at + count);
  return at + count;
}

function copy(source: Buffer, at: number, end: number, tag: number, output: GrowingOutput): number {
  const kind = tag & 3;
  const distanceBytes = kind === 3 ? 4 : kind;
  if (distanceBytes > end - at) fail('ends within a copy');
  if (kind === 1) output.repeat(((tag >> 5) << 8) | source[at], ((tag >> 2) & 7) + 4);
  else output.repeat(source.readUIntLE(at, distanceBytes), (tag >> 2) + 1);
  return at + distanceBytes;
}
