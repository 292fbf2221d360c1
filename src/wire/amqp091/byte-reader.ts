import { WireError } from './errors.ts';
import { decodeUtf8, readShortString } from './short-strings.ts';

/** More than fit into any frame. */
const UNLIMITED = 0x3fffffff;

/**
 * A cursor over a part of a buffer that never reads past its end. `subject` says what is being read, for the message
 * of an error; offsets in messages count from `start`.
 */
export class ByteReader {
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  position: number;
  subject: string;
  /** Values that tables and arrays may still have in all. What was stored once is read, however much it is. */
  valuesLeft = UNLIMITED;

  constructor(bytes: Buffer, start: number, end: number, subject: string) {
    this.bytes = bytes;
    this.start = start;
    this.end = end;
    this.position = start;
    this.subject = subject;
  }

  fail(problem: string): never {
    throw new WireError('syntax-error', `${this.subject}: ${problem} (byte ${this.position - this.start})`);
  }

  /** Moves over `count` bytes and returns where they begin. */
  take(count: number): number {
    const at = this.position;
    if (count > this.end - at) this.fail(`needs ${count} bytes, ${this.end - at} are left`);
    this.position = at + count;
    return at;
  }

  expectEnd(): void {
    if (this.position !== this.end) this.fail(`${this.end - this.position} bytes too many`);
  }

  u8(): number {
    return this.bytes[this.take(1)];
  }

  i8(): number {
    return this.bytes.readInt8(this.take(1));
  }

  u16(): number {
    return this.bytes.readUInt16BE(this.take(2));
  }

  i16(): number {
    return this.bytes.readInt16BE(this.take(2));
  }

  u32(): number {
    return this.bytes.readUInt32BE(this.take(4));
  }

  i32(): number {
    return this.bytes.readInt32BE(this.take(4));
  }

  i64(): bigint {
    return this.bytes.readBigInt64BE(this.take(8));
  }

  /** An unsigned 64-bit number that a JavaScript number holds exactly. */
  u64(): number {
    const value = readSafeU64(this.bytes, this.take(8));
    if (value < 0) this.fail('is beyond 2^53 - 1');
    return value;
  }

  f32(): number {
    return this.bytes.readFloatBE(this.take(4));
  }

  f64(): number {
    return this.bytes.readDoubleBE(this.take(8));
  }

  shortString(): string {
    const length = this.u8();
    const at = this.take(length);
    return readShortString(this.bytes, at, at + length, this.subject);
  }

  longText(): string {
    const length = this.u32();
    const at = this.take(length);
    return decodeUtf8(this.bytes, at, at + length, this.subject);
  }

  /** A copy: the frame's bytes belong to the socket. */
  longBytes(): Uint8Array {
    const length = this.u32();
    const at = this.take(length);
    return new Uint8Array(this.bytes.subarray(at, at + length));
  }
}

/** The unsigned 64-bit number at `at`, or -1 when it is beyond 2^53 - 1. The caller has checked the bounds. */
export function readSafeU64(bytes: Buffer, at: number): number {
  const high = ((bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]) >>> 0;
  if (high > 0x1fffff) return -1;
  const low = ((bytes[at + 4] << 24) | (bytes[at + 5] << 16) | (bytes[at + 6] << 8) | bytes[at + 7]) >>> 0;
  return high * 0x100000000 + low;
}
