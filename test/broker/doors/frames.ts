import assert from 'node:assert/strict';

/** Frames that know which one they are: number `n` has a kind, a length and bytes that follow from it and its size. */
export function kindOf(number: number): number {
  return (number * 7) & 0xff;
}

export function content(number: number, bytes: number): Buffer {
  const buffer = Buffer.allocUnsafe(bytes);
  for (let at = 0; at < bytes; at++) buffer[at] = number * 31 + at * 7 + (at >>> 8);
  return buffer;
}

/** Frames that were written, in order; those that come are held against them. */
export class ExpectedFrames {
  readonly #bytes: number[] = [];
  came = 0;

  get written(): number {
    return this.#bytes.length;
  }

  /** The next frame: its number. */
  add(bytes: number): number {
    return this.#bytes.push(bytes) - 1;
  }

  check(kind: number, buffer: Buffer, start: number, end: number): void {
    const number = this.came++;
    assert.ok(number < this.#bytes.length, 'a frame came that nobody wrote');
    assert.equal(kind, kindOf(number));
    assert.equal(end - start, this.#bytes[number]);
    assert.equal(content(number, end - start).compare(buffer, start, end), 0);
  }
}
