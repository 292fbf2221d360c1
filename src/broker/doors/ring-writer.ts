import { OutgoingLargeFrame } from './large-frame.ts';
import {
  FULL_WAITS,
  frameBytesMax,
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

/** What parts of a large frame may cost in one iteration of the event loop: bytes copied, or as much work. */
const PARTS_COST = 1024 * 1024;

/**
 * The writing end of a ring. The payload of a frame is written in place, without a copy between:
 *
 *     const at = writer.reserve(bytesMax);    // -1: no room, see `whenRoom`
 *     … writer.buffer, writer.view …          // from `at` on
 *     writer.finish(kind, bytes);
 *     writer.flush();                         // once per turn
 *
 * Into shared memory, `source.copy(writer.buffer, at)` is fast and `writer.buffer.set(source, at)` is not: see `FrameReceiver`.
 */
export class RingWriter implements WakeUpSource {
  /** The frames of the ring, as bytes. Positions that `reserve` gives are in it, and in `view`. */
  readonly buffer: Buffer;
  readonly view: DataView;
  /** The most bytes that a frame may have that is written in place. */
  readonly frameBytesMax: number;
  /** The most bytes that a large frame may have. */
  readonly largeBytesMax: number;
  /** Frames that were finished, large ones among them, and the bytes of their payloads. */
  frames = 0;
  bytes = 0;
  /** How often it waited for room. */
  fullWaits = 0;
  readonly #control: Int32Array;
  readonly #words: Int32Array;
  readonly #capacity: number;
  readonly #mask: number;
  readonly #readerBell: Bell;
  readonly #attention: Attention;
  /** Positions: where the next frame begins, what the reader was told of, and what it has freed as far as is known here. */
  #end: number;
  #flushed: number;
  #read: number;
  /** Bytes of payload that the frame being written may have; -1 when there is none. It begins at #end. */
  #reserved = -1;
  #isWaiting = false;
  #listener: (() => void) | null = null;
  #large: OutgoingLargeFrame | null = null;
  #isClosed = false;

  /** Begins where the ring stands. `attention` is of the writing shard, which calls `attend`. */
  constructor(
    ring: SharedArrayBuffer,
    readerBell: Bell,
    attention: Attention,
    largeBytesMax = LARGE_BYTES_MAX,
  ) {
    const { control, buffer, words, view, capacity } = ringMemory(ring);
    this.buffer = buffer;
    this.view = view;
    this.frameBytesMax = frameBytesMax(capacity);
    this.largeBytesMax = largeBytesMax;
    this.#control = control;
    this.#words = words;
    this.#capacity = capacity;
    this.#mask = capacity - 1;
    this.#readerBell = readerBell;
    this.#attention = attention;
    this.#end = Atomics.load(control, WRITTEN);
    this.#flushed = this.#end;
    this.#read = Atomics.load(control, READ);
  }

  /** Bytes of the large frame that is on its way into the ring; 0 when there is none. */
  get largeBytes(): number {
    return this.#large?.bytes ?? 0;
  }

  /** Bytes in the ring that are not freed yet, padding included. */
  get usedBytes(): number {
    return (this.#end - Atomics.load(this.#control, READ)) | 0;
  }

  /**
   * Room for a frame with at most so many bytes: where in `buffer` its payload begins. -1 if there is no room now, or a large
   * frame is not through. A reservation that is not finished is forgotten with the next one. Throws RangeError for more than
   * `frameBytesMax`, and Error after `close`.
   */
  reserve(bytesMax: number): number {
    if (bytesMax > this.frameBytesMax) {
      throw new RangeError(`A frame of ${bytesMax} bytes is larger than ${this.frameBytesMax}`);
    }
    if (this.#isClosed) throw new Error('The ring is closed');
    return this.#large === null ? this.#reserve(bytesMax) : -1;
  }

  /** The reserved frame is written, and has so many bytes. Throws RangeError if that is more than was reserved, or no kind. */
  finish(kind: number, bytes: number): void {
    if (kind < 0 || kind > 0xff) throw new RangeError(`${kind} is no kind of a frame`);
    this.#finish(kind, bytes);
    this.frames++;
    this.bytes += bytes;
  }

  /**
   * A frame of any size up to `largeBytesMax`, in pieces that stay as they are until it is through; it goes in parts as there
   * is room, without waiting for `flush`. False if another one is not through yet: see `whenRoom`. Throws RangeError if it is
   * too large or no kind, and Error after `close`.
   */
  writeLarge(kind: number, pieces: readonly Buffer[]): boolean {
    if (kind < 0 || kind > 0xff) throw new RangeError(`${kind} is no kind of a frame`);
    if (this.#isClosed) throw new Error('The ring is closed');
    if (this.#large !== null) return false;
    const large = new OutgoingLargeFrame(kind, pieces);
    if (large.bytes > this.largeBytesMax) {
      throw new RangeError(`A frame of ${large.bytes} bytes is larger than ${this.largeBytesMax}`);
    }
    this.frames++;
    this.bytes += large.bytes;
    this.#large = large;
    this.#sendParts(large);
    return true;
  }

  /** What was finished becomes visible to the reader, which is woken if it sleeps. */
  flush(): void {
    if (this.#end === this.#flushed || this.#isClosed) return;
    this.#flushed = this.#end;
    Atomics.store(this.#control, WRITTEN, this.#end);
    this.#readerBell.ring();
  }

  /**
   * After `reserve` has given -1, or `writeLarge` false: the listener is called once, when no large frame is on its way and a quarter
   * of the ring is free, which is room for any frame; never from within this call. Flushes, as the ring may be full of what the
   * reader was not told of. Throws if there is a listener already.
   */
  whenRoom(listener: () => void): void {
    if (this.#listener !== null) throw new Error('Somebody waits for room in this ring already');
    this.#listener = listener;
    this.flush();
    this.fullWaits++;
    Atomics.store(this.#control, FULL_WAITS, this.fullWaits);
    if (this.#large === null) this.#waitForRoom();
  }

  /** Nothing is sent any more, and nobody is called; what was not flushed is lost. */
  close(): void {
    this.#isClosed = true;
    this.#isWaiting = false;
    this.#listener = null;
    this.#large = null;
    Atomics.store(this.#control, ROOM_AT, 0);
  }

  get isPending(): boolean {
    return this.#isWaiting && this.#hasRoom();
  }

  /** Parts of a large frame, and whoever waits for room. */
  attend(_untilMs: number): void {
    if (!this.#isWaiting || !this.#hasRoom()) return;
    this.#isWaiting = false;
    Atomics.store(this.#control, ROOM_AT, 0);
    if (this.#large !== null) {
      this.#sendParts(this.#large);
      return;
    }
    const listener = this.#listener;
    this.#listener = null;
    listener?.();
  }

  #reserve(bytesMax: number): number {
    if (this.#end === this.#flushed) this.#rewind();
    const size = frameSize(bytesMax);
    const at = this.#end & this.#mask;
    const padding = this.#capacity - at < size ? this.#capacity - at : 0;
    if (!this.#fits(padding + size)) return -1;
    if (padding > 0) this.#pad(padding);
    this.#reserved = bytesMax;
    return (this.#end & this.#mask) + HEADER_BYTES;
  }

  #fits(size: number): boolean {
    if (((this.#end + size - this.#read) | 0) <= this.#capacity) return true;
    this.#read = Atomics.load(this.#control, READ);
    return ((this.#end + size - this.#read) | 0) <= this.#capacity;
  }

  /**
   * If the reader is through with everything, the next frame begins at the start of the ring again: then one with little
   * traffic stays in the processor's cache, and touches a quarter of its memory only. A quarter is then left for this turn.
   */
  #rewind(): void {
    const at = this.#end & this.#mask;
    if (at < this.#capacity >>> 2) return;
    if (Atomics.load(this.#control, READ) === this.#end) this.#pad(this.#capacity - at);
  }

  #pad(bytes: number): void {
    const word = (this.#end & this.#mask) >>> 2;
    this.#words[word] = bytes - HEADER_BYTES;
    this.#words[word + 1] = ROLE_PADDING << ROLE_SHIFT;
    this.#end = (this.#end + bytes) | 0;
  }

  #finish(tag: number, bytes: number): void {
    if (bytes < 0 || bytes > this.#reserved) {
      throw new RangeError(`A frame of ${bytes} bytes, where ${this.#reserved} were reserved`);
    }
    const word = (this.#end & this.#mask) >>> 2;
    this.#words[word] = bytes;
    this.#words[word + 1] = tag;
    this.#end = (this.#end + frameSize(bytes)) | 0;
    this.#reserved = -1;
  }

  #sendParts(large: OutgoingLargeFrame): void {
    let cost = 0;
    while (!large.isThrough && cost < PARTS_COST) {
      const at = this.#reserve(large.isAnnounced ? large.partBytes(this.frameBytesMax) : 4);
      if (at === -1) break;
      if (large.isAnnounced) {
        const bytes = large.fill(this.buffer, at, large.partBytes(this.frameBytesMax), PARTS_COST - cost);
        cost += large.cost;
        this.#finish((ROLE_PART << ROLE_SHIFT) | large.kind, bytes);
      } else {
        this.#words[at >>> 2] = large.bytes;
        this.#finish((ROLE_LARGE << ROLE_SHIFT) | large.kind, 4);
        large.isAnnounced = true;
      }
    }
    this.flush();
    if (large.isThrough) this.#large = null;
    if (this.#large !== null || this.#listener !== null) this.#waitForRoom();
  }

  /**
   * The reader wakes this shard when a quarter of the ring is free, which is enough for any frame and the padding before it; if
   * it is free already, this shard looks for itself.
   */
  #waitForRoom(): void {
    this.#isWaiting = true;
    const roomAt = this.#end - this.#capacity + (this.#capacity >>> 2);
    Atomics.store(this.#control, ROOM_AT, roomAt | 1);
    if (this.#hasRoom()) this.#attention.soon();
  }

  #hasRoom(): boolean {
    const roomAt = this.#control[ROOM_AT] & ~7;
    return ((Atomics.load(this.#control, READ) - roomAt) | 0) >= 0;
  }
}
