/**
 * The integers of a record batch: int64 in big-endian, and the variable-length ones of its records (zigzag, seven bits a
 * byte, the low ones first). A value and where it ends are two calls, as one that gives both would allocate. None of
 * these looks at the end of the buffer: bytes that are not there read as 0.
 */
const TWO_32 = 0x1_0000_0000;
const VARINT_BYTES_MAX = 5;
const VARLONG_BYTES_MAX = 10;

/** Beyond 2^53 the nearest number. */
export function readInt64(buffer: Buffer, at: number): number {
  return buffer.readInt32BE(at) * TWO_32 + buffer.readUInt32BE(at + 4);
}

export function writeInt64(buffer: Buffer, at: number, value: number): void {
  const high = Math.floor(value / TWO_32);
  buffer.writeInt32BE(high, at);
  buffer.writeUInt32BE(value - high * TWO_32, at + 4);
}

/** How many bytes a 32-bit integer takes as a varint. */
export function varintLength(value: number): number {
  const zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  if (zigzag < 0x80) return 1;
  if (zigzag < 0x4000) return 2;
  if (zigzag < 0x200000) return 3;
  if (zigzag < 0x10000000) return 4;
  return 5;
}

/** Writes a 32-bit integer at `at`; gives the position after it. */
export function writeVarint(target: Uint8Array, at: number, value: number): number {
  let zigzag = ((value << 1) ^ (value >> 31)) >>> 0;
  while (zigzag > 0x7f) {
    target[at++] = (zigzag & 0x7f) | 0x80;
    zigzag >>>= 7;
  }
  target[at++] = zigzag;
  return at;
}

/** The 32-bit integer at `at`. */
export function readVarint(source: Uint8Array, at: number): number {
  let byte = source[at];
  let zigzag = byte & 0x7f;
  for (let shift = 7; byte > 0x7f && shift < 35; shift += 7) {
    byte = source[++at];
    zigzag |= (byte & 0x7f) << shift;
  }
  return (zigzag >>> 1) ^ -(zigzag & 1);
}

/** The position after the varint that starts at `at`; the byte before it is above 0x7f if the varint has no end. */
export function varintEnd(source: Uint8Array, at: number): number {
  const limit = at + VARINT_BYTES_MAX - 1;
  while (at < limit && source[at] > 0x7f) at++;
  return at + 1;
}

/** How many bytes an integer within ±2^52 takes as a varlong. */
export function varlongLength(value: number): number {
  let zigzag = value < 0 ? -2 * value - 1 : 2 * value;
  let length = 1;
  while (zigzag > 0x7f) {
    zigzag = Math.floor(zigzag / 0x80);
    length++;
  }
  return length;
}

/** Writes an integer within ±2^52, as timestamps are, at `at`; gives the position after it. */
export function writeVarlong(target: Buffer, at: number, value: number): number {
  let zigzag = value < 0 ? -2 * value - 1 : 2 * value;
  while (zigzag > 0x7f) {
    target[at++] = (zigzag % 0x80) | 0x80;
    zigzag = Math.floor(zigzag / 0x80);
  }
  target[at++] = zigzag;
  return at;
}

/** The integer of up to 64 bits at `at`; beyond 2^53 the nearest number. */
export function readVarlong(source: Buffer, at: number): number {
  const end = varlongEnd(source, at);
  if (end - at <= 4) return readVarint(source, at);
  let zigzag = 0;
  for (let index = end - 1; index >= at; index--) zigzag = zigzag * 0x80 + (source[index] & 0x7f);
  return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
}

/** The position after the varlong that starts at `at`; the byte before it is above 0x7f if the varlong has no end. */
export function varlongEnd(source: Buffer, at: number): number {
  const limit = at + VARLONG_BYTES_MAX - 1;
  while (at < limit && source[at] > 0x7f) at++;
  return at + 1;
}
