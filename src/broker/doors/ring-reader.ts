import type { Clock } from '../../base/clock.ts';
import { IncomingLargeFrame } from './large-frame.ts';
import {
  FULL_WAITS,
  frameSize,
  HEADER_BYTES,
  LARGE_BYTES_MAX,
  READ,
  ROLE_LARGE,
  ROLE_PADDING,
  ROLE_PART,
  ROLE_SHIFT,
  ROOM_AT,
  ringMemory,
  WRITTEN,
} from './ring.ts';
import type { Attention, Bell, WakeUpSource } from './wake-up.ts';

/** The clock is read after so many bytes, a frame counting for at least FRAME_COST: then a small frame may take 50 µs. */
const COST_PER_LOOK = 32 * 1024;
const FRAME_COST = 1024;

/**
 * Who takes frames. What it is given is shared memory, written over as soon as it has returned: it copies what it keeps, with
 * `buffer.copy(target)`. Of a large frame the buffer is not the reader's, begins at 0, and may be kept.
 *
 * What shared memory is not good for (Node 24): `TypedArray.prototype.set`, `slice`, `fill` and `copyWithin`, and with them
 * `Buffer.from(view)` and `Buffer.concat`, go through it byte by byte, five to fifty times slower than `copy`.
 * `crypto.subtle` refuses it, and browsers' `TextDecoder` does; Node's, `crypto.createHash` and checksums take it. What works
 * later than the call (sockets, files, the thread pool) needs a copy in any case.
 */
export interface FrameReceiver {
  /**
   * The payload is in `buffer` from `start` to `end`. False: not now; the frame stays in the ring, and those behind it, until
   * `resume` is called. What it throws ends the process.
   */
  frame(kind: number, buffer: Buffer, start: number, end: number): boolean;
}

/** The reading end of a ring. Frames come to the receiver in order, in place, each exactly once. */
export class RingReader implements WakeUpSource {
  /** The frames of the ring, as bytes. */
  readonly buffer: Buffer;
  /** The most bytes that a large frame may have. */
  readonly largeBytesMax: number;
  /** Frames that the receiver has taken, large ones among them, and the bytes of their payloads. */
  frames = 0;
  bytes = 0;
  /** How often the receiver said stop. */
  stops = 0;
  readonly #control: Int32Array;
  readonly #words: Int32Array;
  readonly #mask: number;
  readonly #receiver: FrameReceiver;
  readonly #writerBell: Bell;
  readonly #attention: Attention;
  readonly #clock: Clock;
  /** Where the next frame begins. */
  #position: number;
  #large: IncomingLargeFrame | null = null;
  #isStopped = false;
  #isAttending = false;
  #isClosed = false;

  /** Begins where the ring stands. `attention` is of the reading shard, which calls `attend`. */
  constructor(
    ring: SharedArrayBuffer,
    receiver: FrameReceiver,
    writerBell: Bell,
    attention: Attention,
    clock: Clock,
    largeBytesMax = LARGE_BYTES_MAX,
  ) {
    const { control, buffer, words, capacity } = ringMemory(ring);
    this.buffer = buffer;
    this.largeBytesMax = largeBytesMax;
    this.#control = control;
    this.#words = words;
    this.#mask = capacity - 1;
    this.#receiver = receiver;
    this.#writerBell = writerBell;
    this.#attention = attention;
    this.#clock = clock;
    this.#position = Atomics.load(control, READ);
  }

  /** Bytes of memory that a large frame has here which is not given to the receiver yet; 0 when there is none. */
  get largeBytes(): number {
    return this.#large?.buffer.length ?? 0;
  }

  /** How often the writer at the other end has waited for room. */
  get fullWaits(): number {
    return Atomics.load(this.#control, FULL_WAITS);
  }

  get isPending(): boolean {
    if (this.#isStopped || this.#isClosed) return false;
    return this.#large?.isComplete === true || Atomics.load(this.#control, WRITTEN) !== this.#position;
  }

  /** The receiver has said stop, and goes on: it gets the frame again that it left, in the next iteration of the event loop. */
  resume(): void {
    if (!this.#isStopped) return;
    this.#isStopped = false;
    this.#attention.soon();
  }

  /** Nothing is given to the receiver any more. */
  close(): void {
    this.#isClosed = true;
    this.#large = null;
  }

  /** Gives the frames that are there, as far as the time goes, then frees their room at once. */
  attend(untilMs: number): void {
    if (this.#isAttending || !this.isPending) return;
    this.#isAttending = true;
    try {
      this.#take(untilMs);
    } finally {
      this.#isAttending = false;
    }
  }

  #take(untilMs: number): void {
    if (this.#large?.isComplete === true && !this.#giveLarge(this.#large)) return;
    const written = Atomics.load(this.#control, WRITTEN);
    let position = this.#position;
    let cost = 0;
    while (position !== written && !this.#isClosed) {
      const at = position & this.#mask;
      const bytes = this.#words[at >>> 2];
      const tag = this.#words[(at >>> 2) + 1];
      const size = frameSize(bytes);
      if (bytes < 0 || bytes > this.#mask || size > ((written - position) | 0)) {
        throw new Error(`A frame of ${bytes} bytes goes beyond what was written to its ring`);
      }
      const start = at + HEADER_BYTES;
      if (tag >>> ROLE_SHIFT === 0) {
        if (!this.#give(tag, this.buffer, start, start + bytes)) break;
        position = (position + size) | 0;
      } else {
        // The memory of the part can be used again, whatever the receiver says of the whole.
        position = (position + size) | 0;
        if (!this.#takePart(tag, start, start + bytes)) break;
      }
      cost += size < FRAME_COST ? FRAME_COST : size;
      if (cost < COST_PER_LOOK) continue;
      if (this.#clock.monotonicMs() >= untilMs) break;
      cost = 0;
    }
    this.#free(position);
  }

  #give(kind: number, buffer: Buffer, start: number, end: number): boolean {
    if (!this.#receiver.frame(kind, buffer, start, end)) {
      this.#isStopped = true;
      this.stops++;
      return false;
    }
    this.frames++;
    this.bytes += end - start;
    return true;
  }

  /** What the writer uses itself: padding, and large frames. False if the receiver has said stop. */
  #takePart(tag: number, start: number, end: number): boolean {
    const role = tag >>> ROLE_SHIFT;
    if (role === ROLE_PADDING) return true;
    if (role === ROLE_LARGE) {
      const bytes = this.#words[start >>> 2] >>> 0;
      if (bytes > this.largeBytesMax) {
        throw new Error(`A frame of ${bytes} bytes came, where ${this.largeBytesMax} are allowed`);
      }
      this.#large = new IncomingLargeFrame(tag & 0xff, bytes);
    } else if (role === ROLE_PART && this.#large !== null) {
      this.#large.add(this.buffer, start, end);
    } else {
      throw new Error(`Role ${role} of a frame is not expected here`);
    }
    return !this.#large.isComplete || this.#giveLarge(this.#large);
  }

  #giveLarge(large: IncomingLargeFrame): boolean {
    if (!this.#give(large.kind, large.buffer, 0, large.buffer.length)) return false;
    this.#large = null;
    return true;
  }

  #free(position: number): void {
    if (position === this.#position || this.#isClosed) return;
    this.#position = position;
    Atomics.store(this.#control, READ, position);
    const roomAt = Atomics.load(this.#control, ROOM_AT);
    if (roomAt !== 0 && ((position - (roomAt & ~7)) | 0) >= 0) this.#writerBell.ring();
  }
}
