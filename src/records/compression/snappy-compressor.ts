import { MATCH_BYTES_MIN, MatchFinder } from './match-finder.ts';

/** In the framing of Java's library, which all of Kafka's clients read. See snappy.ts. */
const HEADER = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1]);
const BLOCK_BYTES = 32 * 1024;
const COPY_BYTES_MAX = 64;
const SHORT_COPY_BYTES_MAX = 11;
const SHORT_COPY_DISTANCE_MAX = 0x7ff;
const LONG_LITERAL = 60;

const finder = new MatchFinder();

export function compressSnappy(source: Buffer): Buffer {
  const blocks = Math.ceil(source.length / BLOCK_BYTES);
  // For each block a length before it, and one in it; a literal that finds no repetition costs three bytes more.
  const output = Buffer.allocUnsafe(HEADER.length + source.length + blocks * 16 + source.length / 6 + 64);
  HEADER.copy(output);
  let at = HEADER.length;
  for (let start = 0; start < source.length; start += BLOCK_BYTES) {
    const end = Math.min(source.length, start + BLOCK_BYTES);
    const blockAt = at + 4;
    at = writeBlock(source, start, end, output, blockAt);
    output.writeInt32BE(at - blockAt, blockAt - 4);
  }
  return output.subarray(0, at);
}

function writeBlock(source: Buffer, start: number, end: number, output: Buffer, at: number): number {
  for (let length = end - start; ; length >>>= 7) {
    if (length < 0x80) {
      output[at++] = length;
      break;
    }
    output[at++] = (length & 0x7f) | 0x80;
  }
  const limits = { lastStart: end - MATCH_BYTES_MIN, lastEnd: end, distanceMax: BLOCK_BYTES };
  finder.find(source, start, end, limits, (literalStart, literalEnd, distance, count) => {
    if (literalEnd > literalStart) at = writeLiteral(source, literalStart, literalEnd, output, at);
    for (let left = count; left > 0; ) {
      const piece = pieceOf(left);
      at = writeCopy(output, at, distance, piece);
      left -= piece;
    }
  });
  return at;
}

/** A copy of fewer than four bytes would need the longer form for nothing. */
function pieceOf(left: number): number {
  if (left <= COPY_BYTES_MAX) return left;
  return left - COPY_BYTES_MAX < MATCH_BYTES_MIN ? COPY_BYTES_MAX - MATCH_BYTES_MIN : COPY_BYTES_MAX;
}

function writeLiteral(source: Buffer, start: number, end: number, output: Buffer, at: number): number {
  const length = end - start - 1;
  if (length < LONG_LITERAL) {
    output[at++] = length << 2;
  } else if (length < 0x100) {
    output[at++] = LONG_LITERAL << 2;
    output[at++] = length;
  } else {
    output[at++] = (LONG_LITERAL + 1) << 2;
    output[at++] = length & 0xff;
    output[at++] = length >>> 8;
  }
  return at + source.copy(output, at, start, end);
}

function writeCopy(output: Buffer, at: number, distance: number, count: number): number {
  if (count >= MATCH_BYTES_MIN && count <= SHORT_COPY_BYTES_MAX && distance <= SHORT_COPY_DISTANCE_MAX) {
    output[at++] = 1 | ((count - MATCH_BYTES_MIN) << 2) | ((distance >>> 8) << 5);
    output[at++] = distance & 0xff;
  } else {
    output[at++] = 2 | ((count - 1) << 2);
    output[at++] = distance & 0xff;
    output[at++] = distance >>> 8;
  }
  return at;
}
