import { CompressionError, tooLarge } from './errors.ts';

const FIRST_BYTES = 4096;
/** Up to here a loop is quicker than a call into the runtime. */
const LOOP_BYTES_MAX = 32;

/** Where a decompressor puts its output: grows with what is there, up to a limit. */
export class GrowingOutput {
  bytes: Buffer;
  length = 0;
  readonly #bytesMax: number;

  constructor(expectedBytes: number, bytesMax: number) {
    this.#bytesMax = bytesMax;
    this.bytes = Buffer.allocUnsafe(Math.min(Math.max(FIRST_BYTES, expectedBytes), bytesMax));
  }

  #reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.bytes.length) return;
    if (needed > this.#bytesMax) throw tooLarge(this.#bytesMax);
    const grown = Buffer.allocUnsafeSlow(Math.min(this.#bytesMax, Math.max(needed, this.bytes.length * 2)));
    this.bytes.copy(grown, 0, 0, this.length);
    this.bytes = grown;
  }

  /** Literal bytes; the caller has checked that they are there. */
  append(source: Buffer, start: number, end: number): void {
    this.#reserve(end - start);
    if (end - start > LOOP_BYTES_MAX) {
      source.copy(this.bytes, this.length, start, end);
      this.length += end - start;
    } else {
      let at = this.length;
      while (start < end) this.bytes[at++] = source[start++];
      this.length = at;
    }
  }

  /** Repeats `count` bytes from `distance` before the end; they may overlap with what they make. */
  repeat(distance: number, count: number): void {
    if (distance === 0 || distance > this.length) {
      throw new CompressionError(
        `compressed records that refer to ${distance} bytes before byte ${this.length}`,
      );
    }
    this.#reserve(count);
    const { bytes } = this;
    let at = this.length;
    const end = at + count;
    if (distance >= count && count > LOOP_BYTES_MAX) bytes.copyWithin(at, at - distance, end - distance);
    else if (distance === 1) bytes.fill(bytes[at - 1], at, end);
    else while (at < end) bytes[at] = bytes[at++ - distance];
    this.length = end;
  }

  finish(): Buffer {
    return this.bytes.subarray(0, this.length);
  }
}
