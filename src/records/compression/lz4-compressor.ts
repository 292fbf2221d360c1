import { MATCH_BYTES_MIN, MatchFinder } from './match-finder.ts';
import { xxhash32 } from './xxhash32.ts';

/** The frames that Kafka's clients write: independent blocks of up to 64 KiB, no checksums but the header's. See lz4.ts. */
const HEADER = Buffer.from([0x04, 0x22, 0x4d, 0x18, 0x60, 0x40, 0]);
HEADER[6] = (xxhash32(HEADER, 4, 6) >>> 8) & 0xff;
const BLOCK_BYTES = 64 * 1024;
const NOT_COMPRESSED = 0x8000_0000;
/** The format's rules for the end of a block: the last match begins so long before, and the last bytes are literals. */
const LAST_MATCH_BYTES = 12;
const LAST_LITERAL_BYTES = 5;
const DISTANCE_MAX = 0xffff;
const LENGTH_CONTINUES = 15;

const finder = new MatchFinder();

export function compressLz4(source: Buffer): Buffer {
  const blocks = Math.ceil(source.length / BLOCK_BYTES);
  // A block that would grow is stored as it is; while it is being written it may be a little longer.
  const output = Buffer.allocUnsafe(HEADER.length + source.length + 4 * blocks + BLOCK_BYTES / 128 + 64);
  HEADER.copy(output);
  let at = HEADER.length;
  for (let start = 0; start < source.length; start += BLOCK_BYTES) {
    at = writeBlock(source, start, Math.min(source.length, start + BLOCK_BYTES), output, at);
  }
  output.writeUInt32LE(0, at);
  return output.subarray(0, at + 4);
}

function writeBlock(source: Buffer, start: number, end: number, output: Buffer, sizeAt: number): number {
  const bodyAt = sizeAt + 4;
  let at = bodyAt;
  const limits = {
    lastStart: end - LAST_MATCH_BYTES,
    lastEnd: end - LAST_LITERAL_BYTES,
    distanceMax: DISTANCE_MAX,
  };
  finder.find(source, start, end, limits, (literalStart, literalEnd, distance, count) => {
    const literals = literalEnd - literalStart;
    const match = count - MATCH_BYTES_MIN;
    const token = Math.min(literals, LENGTH_CONTINUES) << 4;
    output[at++] = count === 0 ? token : token | Math.min(match, LENGTH_CONTINUES);
    at = writeLength(output, at, literals);
    at += source.copy(output, at, literalStart, literalEnd);
    if (count === 0) return;
    output[at++] = distance & 0xff;
    output[at++] = distance >>> 8;
    at = writeLength(output, at, match);
  });
  if (at - bodyAt < end - start) {
    output.writeUInt32LE(at - bodyAt, sizeAt);
    return at;
  }
  output.writeUInt32LE(end - start + NOT_COMPRESSED, sizeAt);
  return bodyAt + source.copy(output, bodyAt, start, end);
}

/** What of a length does not fit in the token. */
function writeLength(output: Buffer, at: number, length: number): number {
  if (length < LENGTH_CONTINUES) return at;
  let rest = length - LENGTH_CONTINUES;
  for (; rest >= 0xff; rest -= 0xff) output[at++] = 0xff;
  output[at++] = rest;
  return at;
}
