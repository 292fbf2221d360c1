import { KafkaWireError } from './errors.ts';

/**
 * A frame without its length. The bytes are there until it returns, and what is kept is copied; unless `isKept`: then nobody
 * else uses this memory.
 */
export type OnFrame = (bytes: Buffer, start: number, end: number, isKept: boolean) => void;

const LENGTH_BYTES = 4;
const HOLD_BYTES_MIN = 4096;
/** As much memory a peer can have us take for what it has sent. */
const HOLD_GROWTH = 4;
/** A buffer of this size is used again for the next frame that straddles: a produce request of a megabyte. */
const HOLD_AGAIN_BYTES_MAX = 2 * 1024 * 1024;
const EMPTY = Buffer.alloc(0);

/** A length below 0 or beyond the limit: the stream is no stream of frames. */
export class FrameLengthError extends KafkaWireError {
  /** A copy of the four bytes that were taken for a length. */
  readonly lengthBytes: Buffer;

  constructor(lengthBytes: Uint8Array, length: number, frameBytesMax: number) {
    super(
      length < 0
        ? `a frame of ${length} bytes`
        : `a frame of ${length} bytes is larger than the limit of ${frameBytesMax}`,
    );
    this.name = 'FrameLengthError';
    this.lengthBytes = Buffer.from(lengthBytes);
  }
}

/**
 * Cuts a stream of bytes, in whatever pieces they come, into frames: a length, an int32, and so many bytes. Frames are
 * reported where they lie in the chunk; one that straddles chunks is put together in a buffer of its own, which grows
 * with what has come and not with what was announced. After an exception, from a frame that is too long or from
 * `onFrame`, the stream has no known position any more: drop the reader.
 */
export class FrameReader {
  readonly #frameBytesMax: number;
  #held: Buffer = EMPTY;
  #heldLength = 0;

  /** `frameBytesMax`: of a frame without its length, as Kafka's `socket.request.max.bytes`. */
  constructor(frameBytesMax: number) {
    this.#frameBytesMax = frameBytesMax;
  }

  /** True between frames: an end of the stream now loses nothing. */
  get isEmpty(): boolean {
    return this.#heldLength === 0;
  }

  /** Memory of the frame that is not whole yet. */
  get heldBytes(): number {
    return this.#heldLength === 0 ? 0 : this.#held.length;
  }

  push(chunk: Buffer, onFrame: OnFrame): void {
    const end = chunk.length;
    let at = this.#heldLength === 0 ? 0 : this.#finishHeld(chunk, onFrame);
    let total = Infinity;
    while (end - at >= LENGTH_BYTES) {
      const frameStart = at + LENGTH_BYTES;
      const frameEnd = frameStart + this.#checkLength(chunk, at);
      total = frameEnd - at;
      if (frameEnd > end) break;
      at = frameEnd;
      onFrame(chunk, frameStart, frameEnd, false);
    }
    if (at < end) this.#hold(chunk, at, end, end - at >= LENGTH_BYTES ? total : Infinity);
  }

  /** Completes the straddling frame as far as the chunk goes, and returns where the chunk goes on. */
  #finishHeld(chunk: Buffer, onFrame: OnFrame): number {
    let at = 0;
    if (this.#heldLength < LENGTH_BYTES) {
      at = Math.min(LENGTH_BYTES - this.#heldLength, chunk.length);
      this.#hold(chunk, 0, at, Infinity);
      if (this.#heldLength < LENGTH_BYTES) return at;
    }
    const total = LENGTH_BYTES + this.#checkLength(this.#held, 0);
    const taken = Math.min(total - this.#heldLength, chunk.length - at);
    this.#hold(chunk, at, at + taken, total);
    if (this.#heldLength < total) return at + taken;
    const frame = this.#held;
    this.#heldLength = 0;
    const isKept = frame.length > HOLD_AGAIN_BYTES_MAX;
    if (isKept) this.#held = EMPTY;
    onFrame(frame, LENGTH_BYTES, total, isKept);
    return at + taken;
  }

  /** Lets memory go that is kept for the next frame. */
  release(): void {
    if (this.#heldLength === 0) this.#held = EMPTY;
  }

  #hold(chunk: Buffer, start: number, end: number, total: number): void {
    const needed = this.#heldLength + end - start;
    if (needed > this.#held.length) {
      const roomy = Math.max(HOLD_BYTES_MIN, needed * HOLD_GROWTH);
      const grown = Buffer.allocUnsafeSlow(Math.max(needed, Math.min(roomy, total)));
      this.#held.copy(grown, 0, 0, this.#heldLength);
      this.#held = grown;
    }
    chunk.copy(this.#held, this.#heldLength, start, end);
    this.#heldLength = needed;
  }

  #checkLength(bytes: Buffer, at: number): number {
    const length = (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
    if (length >= 0 && length <= this.#frameBytesMax) return length;
    throw new FrameLengthError(bytes.subarray(at, at + LENGTH_BYTES), length, this.#frameBytesMax);
  }
}
